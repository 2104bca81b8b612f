// PRUNE in the trial's own loop: in its rows, over checkpoints, through what becomes of a model, in files.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "config/pruning.h"
#include "record/reader.h"
#include "shape/model_shape.h"
#include "support/core/expect_error.h"
#include "support/engine/trainer_states.h"

namespace kablate {
namespace {

using namespace testing_support;

constexpr std::int64_t kAllUpdates = 12;

// AdamWSPAM resets in updates 5 and 9; of 5, 6, 9 and 10 none prunes: after 3 and 7 it does, and after 11
// what was due after 9.
const Deltas kSchedule{{"PRUNE_SPARSITY", "0.6"},
                       {"PRUNE_BEGIN", "1"},
                       {"PRUNE_END", "9"},
                       {"PRUNE_INTERVAL", "2"},
                       {"GPT2_LOG_INTERVAL", "1"}};
Deltas pruned_by(const char* score) { return kSchedule + Deltas{{"PRUNE", score}}; }

std::int64_t zeros(const at::Tensor& tensor) {
  return tensor.numel() - tensor.count_nonzero().item<std::int64_t>();
}

// ⌊s·n⌋ entries of each map that trains are 0, and nothing else.
void expect_sparsity(const Trainer& trainer, double sparsity) {
  const auto& parameters = trainer.session().parameters;
  for (std::size_t i = 0; i < parameters.specs().size(); ++i) {
    const auto& spec = parameters.specs()[i];
    const auto expected = spec.prunable() ? pruned_entries(sparsity, spec.count()) : 0;
    if (spec.prunable() || spec.part == Part::kEmbedding) {
      EXPECT_EQ(zeros(parameters.tensors()[i]), expected) << spec.name;
    }
  }
}

TEST(Pruning, TakesWhatIsDueAndSaysSoInItsRows) {
  const SmallTrial trial(pruned_by("moments"));
  Trainer trainer(trial.config, 1, trial.data);
  const double S = 0.6;
  const std::map<std::int64_t, double> due{
      {3, S * (1 - 27.0 / 64)}, {7, S * (1 - 1.0 / 64)}, {8, S * (1 - 1.0 / 64)}, {11, S}};
  double sparsity = 0;
  for (std::int64_t update = 1; update <= kAllUpdates; ++update) {
    SCOPED_TRACE(update);
    const auto row = rows_of(trainer, 1)[0];
    if (const auto found = due.find(update); found != due.end()) sparsity = found->second;
    expect_sparsity(trainer, sparsity);
    ASSERT_TRUE(row.sparsity.has_value());
    EXPECT_NEAR(*row.sparsity, sparsity, 0.01) << "rounded down in each map";
    EXPECT_EQ(*row.sparsity == 0, update < 3);
  }
}

TEST(Pruning, GoesOnFromEveryUpdate) {
  for (const char* score : {"magnitude", "moments"}) {
    const SmallTrial trial(pruned_by(score));
    for (std::int64_t after = 0; after < kAllUpdates; ++after) {
      SCOPED_TRACE(str(score, " after ", after));
      const auto state = expect_goes_on(trial, after, kAllUpdates);
      EXPECT_EQ(state.optimizer.at("pruned.transformer.h.0.mlp.c_fc.weight").any().item<bool>(), after >= 3);
    }
  }
}

TEST(Pruning, RefusesAStateThatIsNotThatOfItsUpdate) {
  const SmallTrial trial(pruned_by("magnitude"));
  Trainer trainer(trial.config, 1, trial.data), other(trial.config, 1, trial.data);
  rows_of(trainer, 4), rows_of(other, 1);
  const auto state = copy_of(trainer.state());
  auto early = state;
  early.iteration = 2;
  expect_error<WorkError>([&] { other.restore(early); },
                          {"pruned.transformer.h.0", "expected 0 after 2 updates"});
  auto without = state;
  std::erase_if(without.optimizer, [](const auto& named) { return named.first.starts_with("pruned."); });
  expect_error<WorkError>([&] { other.restore(without); }, {"pruned.transformer.h.0", "is missing"});
  const SmallTrial dense(Deltas{});
  Trainer plain(dense.config, 1, dense.data);
  expect_error<WorkError>([&] { plain.restore(state); }, {"pruned.transformer.h.0", "does not belong"});
  EXPECT_EQ(other.iteration(), 1) << "nothing has changed";
  other.restore(state);
  EXPECT_EQ(rows_of(other, 3), rows_of(trainer, 3));
}

// Until the first pruning it is the dense model, to the bit, and where PRUNE = none nothing else is read.
TEST(Pruning, IsInertWhereItIsOff) {
  const Deltas logged{{"GPT2_LOG_INTERVAL", "1"}};
  const SmallTrial dense(logged), off(pruned_by("none")), on(pruned_by("magnitude"));
  Trainer a(dense.config, 1, dense.data), b(off.config, 1, off.data), c(on.config, 1, on.data);
  const auto rows = rows_of(a, 3);
  EXPECT_EQ(rows_of(b, 3), rows);
  auto until = rows_of(c, 3);
  for (auto& row : until) row.sparsity.reset();
  EXPECT_EQ(until, rows) << "its third update is made before what is pruned after it";
  expect_same(a.state().weights, b.state().weights);
  expect_same(a.state().optimizer, b.state().optimizer);
}

// What a layer has lost when it parts from another it has lost by itself; from then on each is pruned alone.
TEST(Pruning, IsCopiedToLayersThatPart) {
  const SmallTrial trial(pruned_by("magnitude") +
                         Deltas{{"GPT2_N_LAYER", "4"}, {"MLP_SHARE_LAYERS", "2"}, {"MLP_UNSHARE_AT", "5"}});
  Trainer trainer(trial.config, 1, trial.data);
  const std::string owner = "transformer.h.0.mlp.c_fc.weight", copy = "transformer.h.1.mlp.c_fc.weight";
  rows_of(trainer, 4);
  const auto before = copy_of(trainer.state());
  EXPECT_FALSE(before.weights.contains(copy)) << "pruned once";
  expect_sparsity(trainer, 0.6 * (1 - 27.0 / 64));
  rows_of(trainer, 1);
  const auto apart = copy_of(trainer.state());
  for (const auto& name : {owner, copy}) {
    EXPECT_TRUE(at::equal(apart.optimizer.at("pruned." + name), before.optimizer.at("pruned." + owner)))
        << name;
    EXPECT_TRUE(at::equal(apart.weights.at(name).eq(0), before.weights.at(owner).eq(0))) << name;
  }
  rows_of(trainer, kAllUpdates - 5);
  expect_sparsity(trainer, 0.6);
  EXPECT_FALSE(at::equal(trainer.state().weights.at(owner).eq(0), trainer.state().weights.at(copy).eq(0)));
  for (const std::int64_t after : {3, 4, 5, 11}) expect_goes_on(trial, after, kAllUpdates);
}

TEST(Pruning, LeavesWhatStandsStillAsItIs) {
  const SmallTrial trial(pruned_by("moments") + Deltas{{"LORA_FREEZE_BASE_AT", "5"}});
  Trainer trainer(trial.config, 1, trial.data);
  const std::string map = "transformer.h.0.mlp.c_fc.weight", gate = "transformer.h.0.mlp.gate_proj.weight";
  rows_of(trainer, 4);
  const auto before = copy_of(trainer.state());
  EXPECT_GT(zeros(before.weights.at(map)), 0);
  const auto rows = rows_of(trainer, kAllUpdates - 4);
  EXPECT_TRUE(at::equal(trainer.state().weights.at(map), before.weights.at(map)));
  EXPECT_FALSE(trainer.state().optimizer.contains("pruned." + map)) << "holds what exists";
  EXPECT_EQ(zeros(trainer.state().weights.at(gate)), pruned_entries(0.6, before.weights.at(gate).numel()));
  EXPECT_NEAR(*rows.back().sparsity, 0.6, 0.01) << "of what trains";
  for (const std::int64_t after : {3, 4, 5, 11}) expect_goes_on(trial, after, kAllUpdates);
}

TEST(Pruning, IsInTheLogAndInTheSummary) {
  const SmallTrial trial(pruned_by("magnitude"));
  const TrialFolder folder(trial.path() / "trial");
  ASSERT_EQ(run_trial(folder, trial.order(), trial.config), TrialOutcome::kDone);
  std::optional<double> last;
  for (const auto& row : read_metrics(folder))
    if (const auto* train = std::get_if<TrainRow>(&row)) last = train->sparsity;
  EXPECT_NEAR(last.value_or(0), 0.6, 0.01);
  const auto summary = summary_from_json(Json::parse(read_text(folder.summary())));
  EXPECT_EQ(summary.nonzero_parameters, nonzero_parameter_count(trial.config));
  std::size_t maps = 0;
  for (const auto& spec : model_parameters(trial.config)) {
    if (!spec.prunable()) continue;
    const auto n = static_cast<double>(spec.count());
    ASSERT_TRUE(summary.sparsity.contains(spec.name)) << spec.name;
    EXPECT_EQ(summary.sparsity.at(spec.name), static_cast<double>(pruned_entries(0.6, spec.count())) / n);
    ++maps;
  }
  EXPECT_EQ(summary.sparsity.size(), maps);
  const SmallTrial dense(Deltas{});
  ASSERT_EQ(run_trial(TrialFolder(dense.path() / "trial"), dense.order(), dense.config), TrialOutcome::kDone);
  const auto plain = summary_from_json(Json::parse(read_text(TrialFolder(dense.path() / "trial").summary())));
  EXPECT_TRUE(plain.sparsity.empty() && !plain.nonzero_parameters);
}

}  // namespace
}  // namespace kablate
