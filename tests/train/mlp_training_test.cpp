// What training does to MLPs: layers that share one get copies of their own, and widths are learned.
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "interchange/weights.h"
#include "record/reader.h"
#include "shape/model_shape.h"
#include "support/core/expect_error.h"
#include "support/engine/trainer_states.h"
#include "train/trainer.h"

namespace kablate {
namespace {

using namespace testing_support;

constexpr std::int64_t kUpdates = 12, kPartsAt = 5;  // updates, and the one before which layers part

const Deltas kShared = Deltas{{"GPT2_N_LAYER", "4"}, {"MLP_SHARE_LAYERS", "2"}, {"GPT2_LOG_INTERVAL", "1"}};
const Deltas kParting = kShared + Deltas{{"MLP_UNSHARE_AT", "5"}};

TEST(Unsharing, ChangesNoBitBeforeItsUpdate) {
  const SmallTrial parting(kParting), shared(kShared);
  Trainer a(parting.config, 1, parting.data), b(shared.config, 1, shared.data);
  EXPECT_EQ(rows_of(a, kPartsAt - 1), rows_of(b, kPartsAt - 1));
  expect_same(a.state().weights, b.state().weights);
  expect_same(a.state().optimizer, b.state().optimizer);
  EXPECT_EQ(a.evaluate(), b.evaluate());
}

// The state with every layer's own names, moments too, and the same counters.
TrainerState parted(TrainerState state, const Config& config) {
  const auto uses = model_parameters(config).uses;
  const auto before = copy_of(std::move(state));
  TrainerState after = before;
  for (const auto& spec : model_parameters(unshared(config))) {
    const auto use = uses.find(spec.name);
    const auto& origin = use == uses.end() ? spec.name : use->second;
    after.weights[spec.name] = before.weights.at(origin).clone();
    for (const char* moment : {"m.", "v."})
      after.optimizer[moment + spec.name] = before.optimizer.at(moment + origin).clone();
  }
  return after;
}

TEST(Unsharing, TrainsOnAsTheUnsharedModelWouldFromThatState) {
  const SmallTrial trial(kParting);
  Trainer parting(trial.config, 1, trial.data), alone(unshared(trial.config), 1, trial.data);
  rows_of(parting, kPartsAt - 1);
  alone.restore(parted(parting.state(), trial.config));
  EXPECT_EQ(rows_of(parting, kUpdates - kPartsAt + 1), rows_of(alone, kUpdates - kPartsAt + 1));
  expect_same(parting.state().weights, alone.state().weights);
  expect_same(parting.state().optimizer, alone.state().optimizer);
  EXPECT_EQ(parting.evaluate(), alone.evaluate());
  const auto& weights = parting.state().weights;
  EXPECT_FALSE(at::equal(weights.at("transformer.h.0.mlp.c_fc.weight"),
                         weights.at("transformer.h.1.mlp.c_fc.weight")));
}

TEST(Unsharing, GoesOnFromCheckpointsBeforeAndAfter) {
  const SmallTrial trial(kParting);
  for (const std::int64_t after : {std::int64_t{2}, kPartsAt - 1, kPartsAt, kUpdates - 1}) {
    SCOPED_TRACE(after);
    const auto state = expect_goes_on(trial, after, kUpdates);
    EXPECT_EQ(state.weights.contains("transformer.h.1.mlp.c_fc.weight"), after >= kPartsAt)
        << "holds what exists";
  }
}

// Nothing has changed then: it goes on as if it had not been asked.
TEST(Unsharing, RefusesAStateOfTheOtherForm) {
  const SmallTrial trial(kParting);
  Trainer early(trial.config, 1, trial.data), late(trial.config, 1, trial.data);
  rows_of(early, 2), rows_of(late, kPartsAt + 1);
  const auto before = copy_of(early.state()), after = copy_of(late.state());
  auto mixed = after;
  mixed.weights = before.weights;
  Trainer trainer(trial.config, 1, trial.data);
  expect_error<WorkError>([&] { trainer.restore(mixed); }, {"no tensor transformer.h.1.mlp.c_fc"});
  mixed = after;
  mixed.optimizer = before.optimizer;
  expect_error<WorkError>([&] { trainer.restore(mixed); }, {"m.transformer.h.1.mlp.c_fc", "is missing"});
  expect_error<WorkError>([&] { late.restore(before); }, {"MLP_UNSHARE_AT"});
  trainer.restore(before);
  EXPECT_EQ(rows_of(trainer, 2), rows_of(early, 2));
}

TEST(Unsharing, LeavesWeightsThatAreReadEitherWay) {
  const SmallTrial trial(kParting);
  Trainer trainer(trial.config, 1, trial.data);
  const auto path = trial.path() / "w.safetensors";
  for (const bool apart : {false, true}) {
    rows_of(trainer, apart ? kPartsAt : 1);
    write_safetensors(path, trainer.state().weights);
    const Config config = config_of_weights(trial.config, path);
    EXPECT_EQ(config.mlp.share_layers, apart ? 1 : 2);
    EXPECT_NO_THROW(read_weights(path, model_parameters(config)));
  }
}

const Deltas kLearned = mechanisms(false, false, false) +
                        Deltas{{"MLP_LEARNED_WIDTH", "y"}, {"GPT2_DROPOUT", "0"}, {"GPT2_LOG_INTERVAL", "1"}};

TEST(LearnedWidth, CountsTheUnitsThatMatter) {
  const SmallTrial trial(kLearned + Deltas{{"MLP_EXPANSION", "0.25,0"}});
  const ParameterSet parameters(model_parameters(trial.config));
  const Gpt model(trial.config, parameters);
  const at::NoGradGuard no_grad;
  // Four units: 2σ is 1, the column's length counts. The mean is 0.7695, of which 0.05 is 0.038475.
  parameters["transformer.h.0.mlp.c_proj.weight"][3].copy_(at::tensor({1.0, 2.0, 0.038, 0.04}));
  EXPECT_EQ(model.learned_widths(), (std::vector<std::int64_t>{3, 0}));
  parameters["transformer.h.0.mlp.unit_gate"].copy_(at::tensor({0.0, 0.0, 1.0, -9.0}));  // 1.46 and 0.0002
  EXPECT_EQ(model.learned_widths()[0], 3);
  parameters["transformer.h.0.mlp.unit_gate"][2] = -9;
  EXPECT_EQ(model.learned_widths()[0], 2);
}

// The loss is the objective alone; the penalty's gradient is its own derivative.
TEST(LearnedWidth, IsPenalisedApartFromTheLoss) {
  const auto first = [](const char* penalty, NamedTensors& gradients) {
    const SmallTrial trial(kLearned + Deltas{{"MLP_WIDTH_PENALTY", penalty}, {"GRAD_CLIP", "0"}});
    Trainer trainer(trial.config, 1, trial.data);
    const auto row = trainer.update().row;
    for (const auto& [name, tensor] : trainer.session().parameters.by_name()) gradients[name] = tensor.grad();
    return row;
  };
  NamedTensors without, with;
  const auto plain = first("0", without), penalised = first("2", with);
  EXPECT_EQ(plain.loss, penalised.loss);
  EXPECT_EQ(penalised.terms.at("unit_gate"), 0.5);
  EXPECT_EQ(plain.terms.at("unit_gate"), 0.5) << "watched, though it costs nothing";
  constexpr double kUnits = 2 * 64;
  for (const auto& [name, gradient] : with) {
    const double added = name.ends_with("unit_gate") ? 2 * 0.25 / kUnits : 0;  // σ' at 0 is a quarter
    EXPECT_LE((gradient - without.at(name) - added).abs().max().item<double>(), 1e-7) << name;
  }
}

TEST(LearnedWidth, ShrinksWhereItCosts) {
  const auto left = [](const char* penalty) {
    const SmallTrial trial(kLearned + Deltas{{"MLP_WIDTH_PENALTY", penalty},
                                             {"GPT2_MAX_ITERS", "60"},
                                             {"GPT2_LEARNING_RATE", "0.05"}});
    Trainer trainer(trial.config, 1, trial.data);
    const auto rows = rows_of(trainer, 60);
    EXPECT_NEAR(trainer.evaluate().terms.at("val_unit_gate"), rows.back().terms.at("unit_gate"), 0.05);
    return rows.back().terms.at("unit_gate");
  };
  EXPECT_LT(left("100"), 0.75 * left("0"));
}

TEST(LearnedWidth, IsLoggedAndInTheSummary) {
  const SmallTrial trial(kLearned + Deltas{{"MLP_EXPANSION", "2,4"}, {"MLP_WIDTH_PENALTY", "0.1"}});
  const TrialFolder folder(trial.path() / "trial");
  ASSERT_EQ(run_trial(folder, trial.order(), trial.config), TrialOutcome::kDone);
  std::map<std::int64_t, double> last;  // by block
  for (const auto& row : read_metrics(folder))
    if (const auto* found = std::get_if<MechanismRow>(&row))
      last[found->block] = found->values.at("mlp_width");
  const auto summary = summary_from_json(Json::parse(read_text(folder.summary())));
  ASSERT_EQ(summary.mlp_widths.size(), 2u);
  for (const auto& [block, width] : last)
    EXPECT_EQ(width, static_cast<double>(summary.mlp_widths[static_cast<std::size_t>(block)]));
  EXPECT_EQ(last.size(), 2u);
  EXPECT_LE(summary.mlp_widths[0], 32);
  EXPECT_GT(summary.mlp_widths[1], 32);
}

}  // namespace
}  // namespace kablate
