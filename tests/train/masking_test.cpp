// What is masked, and how much of it.
#include "train/masking.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"
#include "config/config.h"
#include "support/core/expect_error.h"
#include "support/engine/small_trial.h"
#include "train/contract.h"

namespace kablate {
namespace {

constexpr std::int64_t kMask = 50;

// B sequences of T tokens, from `first` on among the samples.
Batch batch_of(std::int64_t B, std::int64_t T, std::uint64_t first) {
  Batch batch{.inputs = at::empty({B, T}, at::kLong)};
  for (std::int64_t b = 0; b < B; ++b) {
    batch.samples.push_back(first + static_cast<std::uint64_t>(b));
    for (std::int64_t t = 0; t < T; ++t)
      batch.inputs[b][t] = static_cast<std::int64_t>(
          random_below(first + static_cast<std::uint64_t>(b), static_cast<std::uint64_t>(t), kMask));
  }
  return batch;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.defined() == b.defined() && (!a.defined() || at::equal(a, b));
}

TEST(Masked, HidesTheTokensThatItAsksFor) {
  const Batch plain = batch_of(3, 40, 5);
  const Tensor before = plain.inputs.clone();
  const Batch batch = masked(plain, 1, {.rate = 0.3, .token = kMask});
  const Tensor hidden = batch.inputs.eq(kMask);
  EXPECT_TRUE(at::equal(plain.inputs, before));  // the batch that was given is as it was
  EXPECT_TRUE(at::equal(hidden, batch.targets.ne(kIgnoreIndex)));
  EXPECT_TRUE(at::equal(at::where(hidden, batch.targets, batch.inputs), plain.inputs));
  EXPECT_FALSE(batch.weights.defined());
  EXPECT_FALSE(batch.draws.defined());
}

TEST(Masked, HangsOnSeedAndNumberAlone) {
  const Masking masking{.rate = 0.3, .schedule = MaskSchedule::kUniform, .token = kMask, .fills = true};
  const Batch together = masked(batch_of(4, 24, 9), 1, masking);
  for (std::int64_t b = 0; b < 4; ++b) {
    const Batch alone = masked(batch_of(1, 24, 9 + static_cast<std::uint64_t>(b)), 1, masking);
    for (const auto field : {&Batch::inputs, &Batch::targets, &Batch::weights, &Batch::draws})
      EXPECT_TRUE(at::equal(alone.*field, (together.*field).narrow(0, b, 1)));
  }
  EXPECT_FALSE(same(together.inputs, masked(batch_of(4, 24, 9), 2, masking).inputs));
}

// A higher rate hides what a lower one does, and more.
TEST(Masked, HidesItsShare) {
  constexpr std::int64_t B = 200, T = 100;
  Tensor before = at::zeros({B, T}, at::kBool);
  for (const double rate : {0.15, 0.5, 0.9, 1.0}) {
    const Tensor hidden =
        masked(batch_of(B, T, 1), 1, {.rate = rate, .token = kMask}).targets.ne(kIgnoreIndex);
    EXPECT_NEAR(hidden.to(at::kDouble).mean().item<double>(), rate,
                4 * std::sqrt(rate * (1 - rate) / static_cast<double>(B * T)));
    EXPECT_TRUE(before.logical_and(hidden.logical_not()).logical_not().all().item<bool>());
    before = hidden;
  }
}

TEST(Masked, HidesAtLeastOneOfASequence) {
  const Batch plain = batch_of(50, 6, 1);
  const Tensor few = masked(plain, 1, {.rate = 1e-9, .token = kMask}).targets.ne(kIgnoreIndex);
  EXPECT_TRUE(few.sum(1).eq(1).all().item<bool>());
  // The one of the lowest number: what a rate that hides few hides first.
  const Tensor more = masked(plain, 1, {.rate = 0.3, .token = kMask}).targets.ne(kIgnoreIndex);
  EXPECT_TRUE(few.logical_and(more.logical_not()).logical_not().all().item<bool>());
}

// Of T kept positions a rate in [1/T, 1], and targets that weigh 1/(rate·T): their sum is 1 on average.
TEST(Masked, DrawsARateForEachSequence) {
  constexpr std::int64_t B = 2000, T = 20;
  const Batch batch = masked(batch_of(B, T, 1), 1, {.schedule = MaskSchedule::kUniform, .token = kMask});
  const Tensor hidden = batch.targets.ne(kIgnoreIndex);
  EXPECT_TRUE(at::equal(batch.weights.gt(0), hidden));
  const Tensor least = std::get<0>(at::where(hidden, batch.weights, 1).min(1)), sums = batch.weights.sum(1);
  const Tensor rates = 1 / (std::get<0>(batch.weights.max(1)) * static_cast<double>(T));
  const Tensor some = hidden.any(1);
  EXPECT_GE(rates.index({some}).min().item<double>(), 1.0 / static_cast<double>(T) - 1e-6);
  EXPECT_LE(rates.index({some}).max().item<double>(), 1 + 1e-6);
  EXPECT_NEAR(rates.index({some}).mean().item<double>(), (1 + 1.0 / static_cast<double>(T)) / 2, 0.03);
  EXPECT_NEAR(sums.mean().item<double>(), 1, 0.05);
  EXPECT_TRUE(at::equal(least.index({some}), std::get<0>(batch.weights.max(1)).index({some})));
}

TEST(Masked, HidesNoPadding) {
  for (const auto schedule : {MaskSchedule::kFixed, MaskSchedule::kUniform}) {
    Batch plain = batch_of(20, 30, 1);
    plain.keep = at::zeros({20, 30}, at::kBool);
    for (std::int64_t b = 0; b < 20; ++b) plain.keep[b].narrow(0, 0, 1 + b).fill_(true);
    const Batch batch = masked(plain, 1, {.rate = 0.5, .schedule = schedule, .token = kMask});
    EXPECT_FALSE(batch.targets.ne(kIgnoreIndex).logical_and(plain.keep.logical_not()).any().item<bool>());
    EXPECT_TRUE(at::equal(batch.targets.ne(kIgnoreIndex), batch.inputs.eq(kMask)));
    EXPECT_EQ(batch.targets[0][0].item<std::int64_t>(),
              plain.inputs[0][0].item<std::int64_t>());  // all it has
  }
}

TEST(Masked, RefusesASequenceOfPadding) {
  Batch plain = batch_of(2, 4, 7);
  plain.keep = at::ones({2, 4}, at::kBool);
  plain.keep[1].fill_(false);
  testing_support::expect_error([&] { masked(plain, 1, {.rate = 0.5, .token = kMask}); },
                                {"sequence 8 keeps no position"});
}

// The gates' own lines say the same.
TEST(Masked, IsWhatTheContractSays) {
  for (const auto& deltas : {Deltas{}, Deltas{{"MASK_SCHEDULE", "uniform"}}, Deltas{{"CRITIC", "y"}},
                             Deltas{{"MASK_RATE", "0.02"}}}) {
    const testing_support::SmallTrial trial(
        Deltas{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}} + deltas);
    const auto& objective = trial.config.objective;
    Batch plain = batch_of(6, 16, 100);
    for (const bool padded : {false, true}) {
      if (padded) plain.keep = at::arange(16).le(at::arange(6).unsqueeze(1) * 3);
      const Batch own = masked(plain, 4,
                               {.rate = objective.mask_rate,
                                .schedule = objective.schedule,
                                .token = kMask,
                                .fills = objective.critic}),
                  other = contract_keyed(trial.config, plain, 4, kMask);
      for (const auto field : {&Batch::inputs, &Batch::targets, &Batch::weights, &Batch::draws})
        EXPECT_TRUE(same(own.*field, other.*field));
    }
  }
}

}  // namespace
}  // namespace kablate
