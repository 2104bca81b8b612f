// Hand-worked cases; scipy_test.cpp has the agreement with SciPy.
#include "stats/paired.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace kablate {
namespace {

TEST(PairedDifference, PairsBySeedRatherThanByMean) {
  // The arms' spread is a hundred times that of their differences.
  const std::vector<double> baseline{1, 2, 3}, treated{1.01, 2.02, 3.03};
  const auto result = paired_difference(treated, baseline);
  EXPECT_NEAR(result.mean, 0.02, 1e-12);
  EXPECT_NEAR(result.sd.value(), 0.01, 1e-12);
}

TEST(PairedDifference, OfOnePairHasAMeanAlone) {
  const auto result = paired_difference(std::vector{2.0}, std::vector{1.5});
  EXPECT_EQ(result.mean, 0.5);
  EXPECT_FALSE(result.sd || result.interval || result.p || result.effect || result.correlation);
}

TEST(PairedDifference, WorkedByHand) {
  // Differences -1, -2, -3: mean -2, sd 1, t = -2√3 with two degrees of freedom, where P(|T| >= t) is
  // 1 - t/√(2 + t²); ρ of (1, 2, 3) and (0, 0, 0) does not exist.
  const auto result = paired_difference(std::vector{0.0, 0.0, 0.0}, std::vector{1.0, 2.0, 3.0});
  EXPECT_EQ(result.mean, -2);
  EXPECT_EQ(result.effect.value(), -2);
  EXPECT_NEAR(result.p.value(), 1 - std::sqrt(12.0 / 14), 1e-14);
  EXPECT_FALSE(result.correlation);
  const auto at_p = t_interval(result.mean, *result.sd, 3, 1 - *result.p);
  EXPECT_NEAR(at_p.high, 0, 1e-12) << "the interval at confidence 1 - p ends at 0";
}

TEST(PairedDifference, ThatIsTheSameForEverySeedIsCertain) {
  const auto result = paired_difference(std::vector{1.5, 2.5, 3.5}, std::vector{1.0, 2.0, 3.0});
  EXPECT_EQ(result.p.value(), 0);
  EXPECT_FALSE(result.effect) << "0.5 / 0";
  EXPECT_NEAR(result.correlation.value(), 1, 1e-15);
}

TEST(Correlation, OfOppositesIsMinusOne) {
  EXPECT_NEAR(correlation(std::vector{1.0, 2.0, 4.0}, std::vector{-1.0, -2.0, -4.0}).value(), -1, 1e-15);
  EXPECT_NEAR(correlation(std::vector{1.0, 2.0, 3.0}, std::vector{2.0, 1.0, 2.0}).value(), 0, 1e-15);
}

TEST(PairedDifference, OfEqualArmsIsExactlyZero) {
  const std::vector<double> losses{2.1234567, 2.2345678, 2.3456789};
  const auto result = paired_difference(losses, losses);
  EXPECT_EQ(result.mean, 0);
  EXPECT_EQ(result.sd.value(), 0);
  EXPECT_EQ(result.p.value(), 1);
  EXPECT_EQ(result.interval.value().low, 0);
  EXPECT_EQ(result.interval.value().high, 0);
}

TEST(MeanSd, OfEqualValuesIsThatValueAndZero) {
  const auto result = mean_sd(std::vector<double>(7, 0.1));  // a plain sum of seven 0.1 is off by an ulp
  EXPECT_EQ(result.mean, 0.1);
  EXPECT_EQ(result.sd.value(), 0);
}

TEST(PercentOf, GivesThePublishedLossesTheirTrueSize) {
  // Spec, section 7: printed ten times larger beside the losses.
  const double baseline = 9.5776;
  EXPECT_NEAR(percent_of(9.5359 - baseline, baseline), -0.435, 5e-4);
  EXPECT_NEAR(percent_of(9.5572 - baseline, baseline), -0.213, 5e-4);
  EXPECT_NEAR(percent_of(9.5161 - baseline, baseline), -0.642, 5e-4);
}

}  // namespace
}  // namespace kablate
