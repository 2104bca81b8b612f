#include "measure/throughput.h"

#include <gtest/gtest.h>

namespace kablate {
namespace {

IterationTimes times_of(const std::vector<double>& all) {
  IterationTimes times;
  for (const double ms : all) times.add(ms);
  return times;
}

TEST(IterationTimes, MedianLeavesTheFirstTenOut) {
  std::vector<double> all(10, 1000);  // as slow as first iterations are
  EXPECT_EQ(times_of({}).median_ms(), std::nullopt);
  EXPECT_EQ(times_of(all).median_ms(), std::nullopt);
  const auto with = [&](std::vector<double> rest) {
    rest.insert(rest.begin(), all.begin(), all.end());
    return times_of(rest).median_ms();
  };
  EXPECT_EQ(with({7}), 7);
  EXPECT_EQ(with({9, 5}), 7);
  EXPECT_EQ(with({900, 3, 5}), 5);
  EXPECT_EQ(with({4, 900, 3, 6}), 5) << "of an even number the mean of the two in the middle";
}

TEST(IterationTimes, RecentIsTheMeanOfTheLast) {
  EXPECT_EQ(times_of({}).recent_ms(5), 0);
  EXPECT_EQ(times_of({2, 4}).recent_ms(5), 3);
  EXPECT_EQ(times_of({1000, 2, 4}).recent_ms(2), 3);
}

TEST(IterationTimes, TotalIsInSeconds) { EXPECT_DOUBLE_EQ(times_of({250, 1250}).total_seconds(), 1.5); }

}  // namespace
}  // namespace kablate
