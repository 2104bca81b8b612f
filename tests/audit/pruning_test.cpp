// Faults of pruning, each planted in the trial's loop and caught; and all that is sound passes.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/engine/audited.h"

namespace kablate {
namespace {

using Data = std::shared_ptr<const Dataset>;

const Deltas kPruned{{"PRUNE", "magnitude"},
                     {"PRUNE_SPARSITY", "0.5"},
                     {"PRUNE_BEGIN", "100"},
                     {"PRUNE_END", "900"},
                     {"PRUNE_INTERVAL", "100"}};

Config pruned(const Deltas& more = {}) { return all_mechanisms(kPruned + more); }

// The program whose loop leaves something else behind; `change` gets what it has done and is told.
template <typename Change>
Subject left_otherwise(Change change) {
  Subject subject = program();
  subject.train = [=](const Config& config, std::int64_t seed, const Data& data, std::int64_t updates) {
    auto result = program().train(config, seed, data, updates);
    if (config.optim.prune.on()) change(config, updates, result);
    return result;
  };
  return subject;
}

const char* const kMap = "transformer.h.1.mlp.c_fc.weight";

void expect_caught(const Subject& subject, const char* part, const Config& config = pruned()) {
  EXPECT_TRUE(fails(audit(config, subject), "pruning", part));
}

TEST(PlantedPruning, ThatIsNotDoneIsCaught) {
  expect_caught(trained_otherwise([](Config& c) { c.optim.prune.kind = PruneKind::kNone; }), "the log says");
  expect_caught(trained_otherwise([](Config& c) { c.optim.prune.sparsity = 1e-9; }), "are due");
}

TEST(PlantedPruning, AtAnotherUpdateIsCaught) {
  expect_caught(trained_otherwise([](Config& c) { --c.optim.prune.begin, --c.optim.prune.end; }), "are due");
  expect_caught(trained_otherwise([](Config& c) { ++c.optim.prune.begin, ++c.optim.prune.end; }), "are due");
  expect_caught(
      trained_otherwise([](Config& c) { c.optim.prune.interval = c.optim.prune.end - c.optim.prune.begin; }),
      "after update 3");
}

TEST(PlantedPruning, ToAnotherSparsityIsCaught) {
  expect_caught(trained_otherwise([](Config& c) { c.optim.prune.sparsity *= 0.98; }), "are due");
}

TEST(PlantedPruning, ByAnotherScoreIsCaught) {
  const auto by = [](PruneKind score) {
    return trained_otherwise([=](Config& c) {
      if (c.optim.prune.on()) c.optim.prune.kind = score;
    });
  };
  expect_caught(by(PruneKind::kMoments), "least score");
  expect_caught(by(PruneKind::kMagnitude), "least score", pruned({{"PRUNE", "moments"}}));
}

TEST(PlantedPruning, ThatDoesNotWaitForAResetIsCaught) {
  expect_caught(trained_otherwise([](Config& c) { c.optim.spam_warmup = false; }), "after update 5");
}

// As many zeros as before, and one of them has come back.
TEST(PlantedPruning, ThatIsUndoneIsCaught) {
  expect_caught(left_otherwise([](const Config&, std::int64_t updates, Training& trained) {
                  if (updates != 4) return;
                  at::Tensor weight = trained.weights.at(kMap).view({-1});
                  const auto zero = weight.eq(0).nonzero()[0].item<std::int64_t>(),
                             other = weight.nonzero()[0].item<std::int64_t>();
                  weight[zero] = weight[other].clone(), weight[other] = 0;
                  for (const char* moment : {"m.", "v."})
                    trained.moments.at(moment + std::string(kMap)).view({-1})[other] = 0;
                }),
                "not 0 any more");
}

TEST(PlantedPruning, ThatLeavesMomentsIsCaught) {
  expect_caught(left_otherwise([](const Config&, std::int64_t updates, Training& trained) {
                  if (updates == 4) trained.moments.at(std::string("v.") + kMap).add_(1e-6);
                }),
                "have moments");
}

TEST(PlantedPruning, OfWhatIsToStayWholeIsCaught) {
  expect_caught(left_otherwise([](const Config&, std::int64_t updates, Training& trained) {
                  if (updates == 3) trained.weights.at("transformer.wte.weight")[0][0] = 0;
                }),
                "is not to be pruned");
}

TEST(PlantedPruning, ThatCountsInTheNormIsCaught) {
  expect_caught(left_otherwise([](const Config& config, std::int64_t, Training& trained) {
                  for (auto& row : trained.updates)
                    if (config.optim.grad_clip == 0) row.grad_norm = *row.grad_norm * 1.01;
                }),
                "without pruned entries");
}

TEST(PlantedPruning, ThatTheLogDoesNotSayIsCaught) {
  expect_caught(left_otherwise([](const Config&, std::int64_t, Training& trained) {
                  for (auto& row : trained.updates) row.sparsity = 0;
                }),
                "the log says");
}

TEST(PruningGate, PassesWhateverIsPruned) {
  for (const auto& more :
       {Deltas{{"PRUNE_SPARSITY", "0.9"}}, Deltas{{"PRUNE", "moments"}, {"PRUNE_SPARSITY", "0.001"}},
        Deltas{{"PRUNE", "moments"}, {"OPTIMIZER", "adamw"}, {"DTYPE", "bfloat16"}},
        Deltas{{"PRUNE_BEGIN", "0"},
               {"PRUNE_END", "3"},
               {"PRUNE_INTERVAL", "1"},
               {"SPAM_INTERVAL", "2"},
               {"SPAM_WARMUP_STEPS", "1"}},
        Deltas{{"SPAM_PERIODIC_RESET", "n"}, {"MLP_SHARE_LAYERS", "3"}, {"MLP_UNSHARE_AT", "7"}},
        Deltas{{"MLP_SHARE_LAYERS", "3"}, {"MLP_UNSHARE_AT", "7"}, {"LORA_FREEZE_BASE_AT", "9"}},
        Deltas{{"PRUNE", "moments"},
               {"SHARE_MAIN_MATRICES", "y"},
               {"USE_LORA_ATTN", "y"},
               {"LORA_FREEZE_BASE_AT", "500"}},
        Deltas{{"RA_MLA_LATENT_SOURCE", "frozen"}, {"LORA_FREEZE_BASE_AT", "500"}}}) {
    const auto checks = audit(pruned(more));
    EXPECT_EQ(failed(checks), "") << more[0].first << ": " << failed_gates(checks, 1);
    EXPECT_NE(detail(checks, "pruning"), "") << more[0].first;
  }
  EXPECT_EQ(detail(audit(all_mechanisms()), "pruning"), "")
      << "where nothing is pruned there is nothing to say";
}

}  // namespace
}  // namespace kablate
