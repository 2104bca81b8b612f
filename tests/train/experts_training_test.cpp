// What training does to experts: their balance beside the loss, and their loads in its files.
#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/file.h"
#include "record/reader.h"
#include "shape/model_shape.h"
#include "support/engine/model_fixture.h"
#include "support/engine/trainer_states.h"
#include "train/trainer.h"

namespace kablate {
namespace {

using namespace testing_support;

const Deltas kExperts = mechanisms(false, false, false) + Deltas{{"MLP_EXPERTS", "3"},
                                                                 {"GPT2_DROPOUT", "0"},
                                                                 {"GPT2_LOG_INTERVAL", "1"},
                                                                 {"GPT2_GRADIENT_ACCUMULATION", "1"},
                                                                 {"GRAD_CLIP", "0"}};
constexpr const char* kBalance = "expert_balance";

// n·Σ_e f_e·P_e of the batch, summed over layers, by the plain loops.
double balance_by_hand(const Config& c, const ParameterSet& parameters, const Batch& batch) {
  const auto n = static_cast<std::size_t>(c.mlp.experts);
  const auto layers = static_cast<std::size_t>(c.gpt.num_layers);
  std::vector<std::vector<double>> f(layers, std::vector<double>(n)), P = f;
  const double positions = static_cast<double>(batch.inputs.numel());
  for (std::int64_t b = 0; b < batch.inputs.size(0); ++b) {
    const Tensor row = batch.inputs[b].contiguous();
    const auto* first = row.const_data_ptr<std::int64_t>();
    const auto routing =
        reference::forward(c, plain_weights(parameters), {first, first + row.numel()}).routing;
    for (std::size_t layer = 0; layer < layers; ++layer)
      for (std::size_t t = 0; t < routing.p[layer].size(); ++t) {
        for (const auto e : routing.chosen[layer][t])
          f[layer][e] += 1 / positions / static_cast<double>(c.mlp.experts_top);
        for (std::size_t e = 0; e < n; ++e) P[layer][e] += routing.p[layer][t][e] / positions;
      }
  }
  double sum = 0;
  for (std::size_t layer = 0; layer < layers; ++layer)
    for (std::size_t e = 0; e < n; ++e) sum += static_cast<double>(n) * f[layer][e] * P[layer][e];
  return sum;
}

TEST(ExpertBalance, IsThatOfPlainLoopsBesideTheLoss) {
  for (const char* top : {"1", "2"}) {
    const Deltas deltas = kExperts + Deltas{{"MLP_EXPERTS_TOP", top}};
    const auto first = [&](const char* weight, NamedTensors& gradients) {
      const SmallTrial trial(deltas + Deltas{{"MLP_BALANCE_WEIGHT", weight}});
      Trainer trainer(trial.config, 1, trial.data);
      const auto& session = trainer.session();
      const auto& c = session.config;
      const Batch batch = trial.data->samples(1, 0, c.train.batch_size, c.gpt.context);
      const double expected = balance_by_hand(c, session.parameters, batch);
      const auto row = trainer.update().row;
      EXPECT_NEAR(row.terms.at(kBalance), expected, 1e-5);
      for (const auto& [name, tensor] : session.parameters.by_name()) gradients[name] = tensor.grad().clone();
      return row;
    };
    NamedTensors without, once, twice;
    const auto plain = first("0", without), balanced = first("1", once), more = first("2", twice);
    EXPECT_EQ(plain.loss, balanced.loss) << "the loss is the objective alone";
    EXPECT_EQ(plain.terms, balanced.terms) << "watched, though it costs nothing";
    for (const auto& [name, gradient] : twice) {
      const Tensor added = once.at(name) - without.at(name), both = gradient - without.at(name);
      EXPECT_LE((both - 2 * added).abs().max().item<double>(), 1e-6) << name;
      const auto most = added.abs().max().item<double>();
      EXPECT_TRUE(!name.ends_with("router.weight") || most > 1e-5) << name << " " << most;
      EXPECT_TRUE(name != "transformer.ln_f.weight" || most == 0) << "behind them: " << most;
    }
  }
}

// Of two pieces the mean, each of which has its own loads.
TEST(ExpertBalance, OfAGlobalBatchIsTheMeanOfItsPieces) {
  const auto first = [](const char* size, const char* pieces, std::int64_t iteration) {
    const SmallTrial trial(kExperts + Deltas{{"GPT2_BATCH_SIZE", size},
                                             {"GPT2_GRADIENT_ACCUMULATION", pieces},
                                             {"GPT2_LEARNING_RATE", "1e-12"},
                                             {"GPT2_MIN_LR", "0"}});
    Trainer trainer(trial.config, 1, trial.data);
    for (std::int64_t i = 0; i < iteration; ++i) trainer.update();
    return trainer.update().row.terms.at(kBalance);
  };
  EXPECT_NEAR(first("2", "2", 0), (first("2", "1", 0) + first("2", "1", 1)) / 2, 1e-6);
}

TEST(ExpertBalance, EvensTheLoads) {
  const auto last = [](const char* weight) {
    const SmallTrial trial(kExperts + Deltas{{"MLP_BALANCE_WEIGHT", weight},
                                             {"GPT2_MAX_ITERS", "60"},
                                             {"GPT2_BATCH_SIZE", "8"},
                                             {"GPT2_LEARNING_RATE", "0.01"}});
    Trainer trainer(trial.config, 1, trial.data);
    rows_of(trainer, 60);
    double most = 0;
    for (const auto& row : trainer.observe())
      for (const auto load : expert_loads(row)) most = std::max(most, load);
    return most;
  };
  const double balanced = last("1");
  EXPECT_LT(balanced, 0.6);
  EXPECT_LT(balanced, last("0"));
}

// Layers without an MLP have no experts.
TEST(ExpertLoads, AreLoggedAndInTheSummary) {
  const SmallTrial trial(kExperts + Deltas{{"MLP_EXPANSION", "0,2"}, {"MLP_EXPERTS_TOP", "2"}});
  const TrialFolder folder(trial.path() / "trial");
  ASSERT_EQ(run_trial(folder, trial.order(), trial.config), TrialOutcome::kDone);
  std::vector<double> last;
  for (const auto& row : read_metrics(folder))
    if (const auto* found = std::get_if<MechanismRow>(&row)) {
      EXPECT_EQ(found->block, 1);
      last = expert_loads(*found);
      ASSERT_EQ(last.size(), 3u);
      EXPECT_NEAR(last[0] + last[1] + last[2], 1, 1e-6);
    }
  const auto summary = summary_from_json(Json::parse(read_text(folder.summary())));
  EXPECT_EQ(summary.expert_loads, (std::vector<std::vector<double>>{{}, last}));
  EXPECT_EQ(summary.active_parameters, active_parameter_count(trial.config));
  EXPECT_LT(summary.active_parameters, summary.parameters);
}

// Each layer its own router and experts from the update on, which train apart.
TEST(SharedExperts, PartWithTheirRouters) {
  const SmallTrial trial(kExperts + Deltas{{"MLP_SHARE_LAYERS", "2"}, {"MLP_UNSHARE_AT", "3"}});
  Trainer trainer(trial.config, 1, trial.data);
  rows_of(trainer, 2);
  const auto together = trainer.state().weights;
  EXPECT_FALSE(together.contains("transformer.h.1.mlp.router.weight"));
  rows_of(trainer, 2);
  const auto apart = trainer.state().weights;
  EXPECT_FALSE(at::equal(apart.at("transformer.h.0.mlp.router.weight"),
                         apart.at("transformer.h.1.mlp.router.weight")));
  EXPECT_TRUE(apart.contains("transformer.h.1.mlp.experts.2.c_proj.weight"));
}

}  // namespace
}  // namespace kablate
