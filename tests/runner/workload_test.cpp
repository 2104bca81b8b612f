// What is timed before a run, so that the time left is known early.
#include "runner/workload.h"

#include <gtest/gtest.h>

#include <numeric>

#include "support/core/experiment.h"

namespace kablate {
namespace {

// Kinds of trials that nothing is known of, two trials each.
struct Unknown {
  Unknown(std::size_t kinds, std::int64_t iterations, std::int64_t log_interval) : trials(2 * kinds) {
    config.train.max_iters = iterations, config.train.log_interval = log_interval;
    work.kinds.resize(kinds);
    for (auto& kind : work.kinds) kind.iterations = static_cast<double>(iterations);
    work.configs.assign(kinds, &config);
    for (std::size_t i = 0; i < trials.size(); ++i) work.of_trial.push_back(i % kinds);
    std::iota(trials.begin(), trials.end(), 0);
  }
  std::int64_t timed(std::int64_t parallel) const { return iterations_worth_timing(work, trials, parallel); }
  Config config = testing_support::small_config();
  Workload work;
  std::vector<std::size_t> trials;
};

TEST(IterationsWorthTiming, AreNoneWhereEveryKindIsSeenFromTheStart) {
  EXPECT_EQ(Unknown(1, 1000, 10).timed(/*parallel=*/2), 0);
  EXPECT_EQ(Unknown(1, 1000, 10).timed(/*parallel=*/1), kMostTimed);
}

TEST(IterationsWorthTiming, AreAsManyAsAFiftiethHolds) {
  EXPECT_EQ(Unknown(3, 150, 1).timed(1), kMostTimed);  // six of 300 a kind are a fiftieth
  EXPECT_EQ(Unknown(3, 149, 1).timed(1), 2);
  EXPECT_EQ(Unknown(3, 100, 1).timed(1), 2);
  EXPECT_EQ(Unknown(3, 99, 1).timed(1), 1);
  EXPECT_EQ(Unknown(3, 74, 1).timed(1), 0);
}

TEST(IterationsWorthTiming, AreTwentiethsWhereNoRowComesEarly) {
  EXPECT_EQ(Unknown(1, 150, 50).timed(/*parallel=*/2), kMostTimed);
  EXPECT_EQ(Unknown(1, 60, 4).timed(2), kMostTimed);
  EXPECT_EQ(Unknown(1, 60, 3).timed(2), 0) << "a row in the first twentieth";
  EXPECT_EQ(Unknown(1, 29, 20).timed(2), 0);
}

TEST(IterationsWorthTiming, AreNoneWhereSpeedsAreKnown) {
  Unknown known(2, 1000, 10);
  for (auto& kind : known.work.kinds) kind.ms = 5;
  EXPECT_EQ(known.timed(1), 0);
}

}  // namespace
}  // namespace kablate
