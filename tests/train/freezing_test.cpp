// LORA_FREEZE_BASE_AT: what stands still from an update on, and adapters that train beside it.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "shape/model_shape.h"
#include "support/core/expect_error.h"
#include "support/engine/trainer_states.h"

namespace kablate {
namespace {

using namespace testing_support;

constexpr std::int64_t kAll = 12, kAt = 5;

const Deltas kLora = Deltas{{"USE_LORA_ATTN", "y"},       {"USE_LORA_MLP", "y"}, {"LORA_RANK", "2"},
                            {"SHARE_MAIN_MATRICES", "y"}, {"GPT2_N_LAYER", "2"}, {"LORA_DROPOUT", "0.25"},
                            {"GPT2_LOG_INTERVAL", "1"}};
Deltas freezing_at(const char* update) { return kLora + Deltas{{"LORA_FREEZE_BASE_AT", update}}; }

bool is_frozen(const Config& config, const std::string& name) {
  for (const auto& spec : model_parameters(at_update(config, kAll)))
    if (spec.name == name) return !spec.trained;
  return false;
}

TEST(Freezing, ChangesNoBitBeforeItsUpdateAndNoFrozenOneAfter) {
  const SmallTrial freezing(freezing_at("5")), never(kLora);
  Trainer a(freezing.config, 1, freezing.data), b(never.config, 1, never.data);
  EXPECT_EQ(rows_of(a, kAt - 1), rows_of(b, kAt - 1));
  const auto before = copy_of(a.state()).weights;
  expect_same(b.state().weights, before);
  rows_of(a, kAll - kAt + 1);
  std::int64_t frozen = 0;
  for (const auto& [name, tensor] : a.state().weights) {
    const bool still = is_frozen(freezing.config, name);
    frozen += still;
    EXPECT_EQ(at::equal(tensor, before.at(name)), still) << name;
    EXPECT_NE(a.state().optimizer.contains("m." + name), still) << name;
    EXPECT_NE(a.state().optimizer.contains("v." + name), still) << name;
  }
  EXPECT_GT(frozen, 4);
}

// What stands still adds nothing to the norm of the gradient, so that the rest is not clipped for it.
TEST(Freezing, LeavesTheGradientsNorm) {
  const SmallTrial freezing(freezing_at("1")), never(kLora);
  Trainer a(freezing.config, 1, freezing.data), b(never.config, 1, never.data);
  const auto own = rows_of(a, 1)[0], whole = rows_of(b, 1)[0];
  EXPECT_EQ(own.loss, whole.loss) << "of the same weights";
  EXPECT_LT(*own.grad_norm, 0.7 * *whole.grad_norm);
}

TEST(Freezing, GoesOnFromCheckpointsBeforeAndAfter) {
  const SmallTrial trial(freezing_at("5"));
  for (const std::int64_t after : {std::int64_t{2}, kAt - 1, kAt, kAll - 1}) {
    SCOPED_TRACE(after);
    const auto state = expect_goes_on(trial, after, kAll);
    EXPECT_EQ(state.optimizer.contains("m.transformer.wte.weight"), after < kAt) << "holds what exists";
  }
}

TEST(Freezing, RefusesAStateOfBeforeIt) {
  const SmallTrial trial(freezing_at("5"));
  Trainer early(trial.config, 1, trial.data), late(trial.config, 1, trial.data);
  rows_of(early, 2), rows_of(late, kAt + 1);
  const auto before = copy_of(early.state());
  expect_error<WorkError>([&] { late.restore(before); }, {"update 2", "LORA_FREEZE_BASE_AT"});
  auto mixed = copy_of(late.state());
  mixed.optimizer = before.optimizer;
  expect_error<WorkError>([&] { early.restore(mixed); }, {"does not belong to this optimizer"});
}

// Adapters of a shared map are each layer's own.
TEST(Adapters, OfLayersThatShareTheirMapsPart) {
  const SmallTrial trial(kLora);
  Trainer trainer(trial.config, 1, trial.data);
  rows_of(trainer, 3);
  const auto& weights = trainer.state().weights;
  EXPECT_FALSE(weights.contains("transformer.h.1.attn.q_proj.weight"));
  EXPECT_FALSE(at::equal(weights.at("transformer.h.0.mlp.c_fc.lora_B.weight"),
                         weights.at("transformer.h.1.mlp.c_fc.lora_B.weight")));
}

}  // namespace
}  // namespace kablate
