// When entries are pruned and how many, against numbers done by hand; and what makes no schedule.
#include "config/pruning.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/configure.h"
#include "support/core/expect_error.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using Updates = std::vector<std::int64_t>;

OptimConfig pruned_from_to(std::int64_t begin, std::int64_t end, std::int64_t interval) {
  OptimConfig optim;
  optim.kind = OptimizerKind::kAdamW;
  optim.prune = {PruneKind::kMagnitude, 0.8, begin, end, interval};
  return optim;
}

// Resets in updates 26, 51, 76 …; 26 to 31, 51 to 56 … are those of a warm-up.
OptimConfig with_resets(OptimConfig optim) {
  optim.kind = OptimizerKind::kAdamWSpam;
  optim.spam_reset = optim.spam_warmup = true;
  optim.spam_interval = 25, optim.spam_warmup_steps = 6;
  return optim;
}

Updates prunings(const OptimConfig& optim, std::int64_t last = 100) {
  Updates found;
  for (std::int64_t update = 1; update <= last; ++update)
    if (prunes_after(optim, update)) found.push_back(update);
  return found;
}

TEST(PruningSchedule, IsCubicFromBeginToEnd) {
  const auto optim = pruned_from_to(10, 50, 10);
  EXPECT_EQ(prunings(optim), (Updates{10, 20, 30, 40, 50}));
  const double S = 0.8;
  EXPECT_EQ(sparsity_by(optim, 9), 0);
  EXPECT_EQ(sparsity_by(optim, 10), 0);
  EXPECT_DOUBLE_EQ(sparsity_by(optim, 20), S * (1 - 27.0 / 64));
  EXPECT_DOUBLE_EQ(sparsity_by(optim, 29), S * (1 - 27.0 / 64));
  EXPECT_DOUBLE_EQ(sparsity_by(optim, 30), S * 7 / 8);
  EXPECT_DOUBLE_EQ(sparsity_by(optim, 40), S * (1 - 1.0 / 64));
  EXPECT_EQ(sparsity_by(optim, 50), S);
  EXPECT_EQ(sparsity_by(optim, 1'000'000'000), S);
  EXPECT_EQ(prunings(pruned_from_to(0, 4, 2)), (Updates{2, 4}))
      << "there is no update 0, and nothing to prune then";
}

TEST(PruningSchedule, WaitsForTheEndOfAWarmUpAfterAReset) {
  const auto sparse = with_resets(pruned_from_to(10, 50, 10));
  EXPECT_EQ(prunings(sparse), (Updates{10, 20, 32, 40, 50})) << "30 waits";
  EXPECT_EQ(sparsity_by(sparse, 31), sparsity_by(pruned_from_to(10, 50, 10), 20));
  EXPECT_EQ(sparsity_by(sparse, 32), sparsity_by(pruned_from_to(10, 50, 10), 30))
      << "what was due, not what a curve says";
  EXPECT_EQ(prunings(with_resets(pruned_from_to(20, 35, 3))), (Updates{20, 23, 32, 35})) << "26 and 29 wait";
  EXPECT_EQ(sparsity_by(with_resets(pruned_from_to(20, 35, 3)), 32),
            sparsity_by(pruned_from_to(20, 35, 3), 32))
      << "due itself";
  const auto last = with_resets(pruned_from_to(11, 51, 20));
  EXPECT_EQ(prunings(last), (Updates{11, 32, 57})) << "in the reset's own update";
  EXPECT_EQ(sparsity_by(last, 56), sparsity_by(pruned_from_to(11, 51, 20), 31));
  EXPECT_EQ(sparsity_by(last, 57), 0.8);
}

TEST(PruningSchedule, WaitsForNothingWhereTheRateIsAsItWas) {
  const auto plain = prunings(pruned_from_to(10, 50, 10));
  auto optim = with_resets(pruned_from_to(10, 50, 10));
  optim.spam_warmup = false;
  EXPECT_EQ(prunings(optim), plain);
  optim = with_resets(pruned_from_to(10, 50, 10));
  optim.spam_reset = false;
  EXPECT_EQ(prunings(optim), plain);
  optim = with_resets(pruned_from_to(10, 50, 10));
  optim.kind = OptimizerKind::kAdamW;
  EXPECT_EQ(prunings(optim), plain);
  EXPECT_EQ(prunings(with_resets(pruned_from_to(2, 8, 2))), (Updates{2, 4, 6, 8})) << "no reset yet";
}

TEST(PruningSchedule, IsNoneWithoutPruning) {
  auto optim = pruned_from_to(10, 50, 10);
  optim.prune.kind = PruneKind::kNone;
  EXPECT_EQ(prunings(optim), Updates{});
  EXPECT_EQ(sparsity_by(optim, 60), 0);
  optim.prune = {};  // as the menu has it
  EXPECT_EQ(sparsity_by(optim, 60), 0);
}

TEST(PrunedEntries, AreRoundedDown) {
  EXPECT_EQ(pruned_entries(0.5, 7), 3);
  EXPECT_EQ(pruned_entries(0.8, 5), 4);
  EXPECT_EQ(pruned_entries(0.8 * (1 - 27.0 / 64), 192), 88);  // 88.8
  EXPECT_EQ(pruned_entries(0, 7), 0);
}

const Deltas kPruned{{"PRUNE", "magnitude"},
                     {"PRUNE_BEGIN", "10"},
                     {"PRUNE_END", "50"},
                     {"PRUNE_INTERVAL", "10"},
                     {"GPT2_MAX_ITERS", "60"}};

void expect_pruning_refused(const Deltas& deltas, std::initializer_list<std::string> parts) {
  expect_error([&] { configure(kPruned + deltas); }, parts);
}

TEST(Pruning, RefusesWhatMakesNoSchedule) {
  EXPECT_NO_THROW(configure(kPruned));
  expect_pruning_refused({{"PRUNE_BEGIN", "50"}},
                         {"PRUNE_BEGIN = 50", "PRUNE = magnitude", "PRUNE_END = 50", "below"});
  expect_pruning_refused({{"PRUNE_END", "0"}}, {"PRUNE_BEGIN = 10", "PRUNE_END = 0"});
  expect_pruning_refused({{"PRUNE_END", "70"}}, {"PRUNE_END = 70", "from 11 to GPT2_MAX_ITERS = 60"});
  EXPECT_NO_THROW(configure(kPruned + Deltas{{"PRUNE_END", "60"}}));
  expect_pruning_refused({{"PRUNE_INTERVAL", "15"}}, {"PRUNE_INTERVAL = 15", "divisor", "= 40"});
  expect_pruning_refused({{"PRUNE_INTERVAL", "0"}}, {"PRUNE_INTERVAL = 0", "1 or more"});
  EXPECT_NO_THROW(configure(kPruned + Deltas{{"PRUNE_INTERVAL", "40"}})) << "the first to 0, the last to all";
  for (const char* sparsity : {"0", "1", "-0.1", "1.5"})
    expect_error(
        [&] {
          changed(Settings::defaults(), {{"PRUNE_SPARSITY", sparsity}}).bind();
        },
        {"PRUNE_SPARSITY", sparsity, "> 0", "< 1"});
}

TEST(Pruning, RefusesALastOneThatWaitsPastTheEnd) {
  const Deltas resets{{"SPAM_INTERVAL", "25"}, {"SPAM_WARMUP_STEPS", "6"}};
  const Deltas late = resets + Deltas{{"PRUNE_BEGIN", "11"}, {"PRUNE_END", "51"}};
  expect_pruning_refused(late + Deltas{{"GPT2_MAX_ITERS", "56"}},
                         {"PRUNE_END = 51", "SPAM_INTERVAL = 25", "SPAM_WARMUP_STEPS = 6", "update 51",
                          "GPT2_MAX_ITERS = 56", "at most 50"});
  EXPECT_NO_THROW(configure(kPruned + late + Deltas{{"GPT2_MAX_ITERS", "57"}}));
  EXPECT_NO_THROW(configure(kPruned + late + Deltas{{"GPT2_MAX_ITERS", "51"}, {"SPAM_WARMUP", "n"}}));
  EXPECT_NO_THROW(configure(kPruned + resets + Deltas{{"GPT2_MAX_ITERS", "51"}})) << "50 is before the reset";
}

TEST(Pruning, IsNotReadWhereItIsOff) {
  const auto unread = [](const Deltas& deltas, const char* symbol) {
    const auto unused = unused_symbols(configure(deltas));
    return std::count(unused.begin(), unused.end(), symbol) == 1;
  };
  for (const char* symbol : {"PRUNE_SPARSITY", "PRUNE_BEGIN", "PRUNE_END", "PRUNE_INTERVAL"}) {
    EXPECT_TRUE(unread({{"PRUNE_BEGIN", "9"}, {"PRUNE_END", "3"}}, symbol)) << symbol;
    EXPECT_FALSE(unread(kPruned, symbol)) << symbol;
  }
}

TEST(MeasuredHeads, NeedAModelThatLooksBack) {
  const Deltas measured{{"MEASURE_HEADS", "y"}};
  EXPECT_NO_THROW(configure(measured));
  const auto refused = [&](const Deltas& deltas, std::initializer_list<std::string> parts) {
    expect_error([&] { configure(measured + deltas); }, parts);
  };
  refused({{"ATTENTION_DIRECTION", "bidirectional"}, {"OBJECTIVE", "masked_token"}},
          {"MEASURE_HEADS = y", "ATTENTION_DIRECTION = bidirectional"});
  refused(mechanisms(false, false, false) + Deltas{{"GPT2_ATTENTION", "n"}},
          {"MEASURE_HEADS = y", "GPT2_ATTENTION = n"});
  refused({{"GPT2_BLOCK_SIZE", "3"}}, {"MEASURE_HEADS = y", "GPT2_BLOCK_SIZE = 3", "at least 4"});
  EXPECT_NO_THROW(configure(measured + Deltas{{"GPT2_BLOCK_SIZE", "4"}})) << "two copies of two ids";
}

}  // namespace
}  // namespace kablate
