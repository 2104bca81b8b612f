// Hand-worked cases of Holm's procedure.
#include "stats/holm.h"

#include <gtest/gtest.h>

#include <vector>

namespace kablate {
namespace {

TEST(Holm, StepsDownFromTheSmallestP) {
  // Sorted .01, .02, .03, .04 against .05/4, .05/3, …: .01 <= .0125, .02 > .0167: the rest stand.
  const auto results = holm(std::vector{0.04, 0.01, 0.03, 0.02}, 4, 0.05);
  EXPECT_DOUBLE_EQ(results[1].adjusted_p, 0.04);
  EXPECT_DOUBLE_EQ(results[3].adjusted_p, 0.06);
  EXPECT_DOUBLE_EQ(results[2].adjusted_p, 0.06) << "2 × .03, and no less than the one before";
  EXPECT_DOUBLE_EQ(results[0].adjusted_p, 0.06) << "1 × .04, likewise";
  EXPECT_TRUE(results[1].rejected);
  EXPECT_FALSE(results[0].rejected || results[2].rejected || results[3].rejected);
  EXPECT_DOUBLE_EQ(results[1].level, 0.05 / 4);
  for (const int i : {0, 2, 3}) EXPECT_DOUBLE_EQ(results[i].level, 0.05 / 3) << "one of four is rejected";
}

TEST(Holm, RejectsAllWhereEachPassesItsLevel) {
  const auto results = holm(std::vector{0.001, 0.05, 0.02}, 3, 0.05);
  EXPECT_DOUBLE_EQ(results[0].adjusted_p, 0.003);
  EXPECT_DOUBLE_EQ(results[2].adjusted_p, 0.04);
  EXPECT_DOUBLE_EQ(results[1].adjusted_p, 0.05);
  for (const auto& result : results) EXPECT_TRUE(result.rejected);
  EXPECT_DOUBLE_EQ(results[0].level, 0.05 / 3);
  EXPECT_DOUBLE_EQ(results[2].level, 0.05 / 2);
  EXPECT_DOUBLE_EQ(results[1].level, 0.05);
}

TEST(Holm, OfOneIsThePlainTest) {
  EXPECT_TRUE(holm(std::vector{0.049}, 1, 0.05)[0].rejected);
  EXPECT_FALSE(holm(std::vector{0.051}, 1, 0.05)[0].rejected);
  EXPECT_EQ(holm(std::vector{0.051}, 1, 0.05)[0].adjusted_p, 0.051);
}

TEST(Holm, CountsTheFamilyAsPlanned) {
  // One of five has finished: it is held to .05/5 all the same.
  const auto result = holm(std::vector{0.02}, 5, 0.05)[0];
  EXPECT_DOUBLE_EQ(result.adjusted_p, 0.1);
  EXPECT_FALSE(result.rejected);
  EXPECT_DOUBLE_EQ(result.level, 0.01);
}

TEST(Holm, AdjustsNoPBeyondOne) {
  for (const auto& result : holm(std::vector{0.5, 0.9, 1.0}, 3, 0.05)) EXPECT_EQ(result.adjusted_p, 1);
}

}  // namespace
}  // namespace kablate
