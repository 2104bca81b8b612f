// Hand-worked cases; scipy_test.cpp has the agreement with SciPy.
#include "stats/paired.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/error.h"

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
}

TEST(PairedDifference, HasACorrelationFromFourPairsOn) {
  const std::vector<double> baseline{1, 2, 3, 4}, treated{2, 1, 0, -1};
  EXPECT_NEAR(paired_difference(treated, baseline).correlation.value(), -1, 1e-15);
  for (const std::size_t n : {2, 3})
    EXPECT_FALSE(paired_difference(std::span(treated).first(n), std::span(baseline).first(n)).correlation)
        << "of two pairs it is 1 or -1 whatever they are";
}

TEST(UnpairedDifference, WorkedByHand) {
  // (1, 3) and (0, 2, 4, 6): means 2 and 3, variances 2 and 20/3; 2/2 + (20/3)/4 = 8/3, and Welch's degrees
  // are (8/3)² / (1²/1 + (5/3)²/3) = (64/9) / (52/27) = 48/13.
  const auto result = unpaired_difference(std::vector{1.0, 3.0}, std::vector{0.0, 2.0, 4.0, 6.0});
  EXPECT_FALSE(result.paired);
  EXPECT_EQ(result.n, 2u) << "of the smaller side";
  EXPECT_EQ(result.mean, -1);
  EXPECT_NEAR(result.standard_error.value(), std::sqrt(8.0 / 3), 1e-15);
  EXPECT_NEAR(result.degrees.value(), 48.0 / 13, 1e-13);
  EXPECT_NEAR(result.effect.value(), -1 / std::sqrt(26.0 / 3), 1e-15);
  EXPECT_FALSE(result.correlation);
  const auto at_p = interval_of(result, 1 - *result.p);
  EXPECT_NEAR(at_p.high, 0, 1e-12) << "the interval at confidence 1 - p ends at 0";
}

TEST(UnpairedDifference, DoesNotGainByWhatPairsShare) {
  const std::vector<double> baseline{1, 2, 3, 4}, treated{1.1, 2.2, 3.1, 4.2};
  EXPECT_LT(paired_difference(treated, baseline).p.value(), 0.05);
  EXPECT_GT(unpaired_difference(treated, baseline).p.value(), 0.5);
}

TEST(UnpairedDifference, OfOneValueASideHasAMeanAlone) {
  const auto result = unpaired_difference(std::vector{2.0}, std::vector{1.5, 1.0});
  EXPECT_EQ(result.mean, 0.75);
  EXPECT_FALSE(result.sd || result.interval || result.p || result.effect);
}

TEST(UnpairedDifference, OfSidesThatDoNotVaryIsCertain) {
  const std::vector<double> a{1, 1, 1}, b{2, 2};
  EXPECT_EQ(unpaired_difference(a, b).p.value(), 0);
  EXPECT_EQ(unpaired_difference(a, a).p.value(), 1);
  EXPECT_EQ(unpaired_difference(a, a).interval.value().high, 0);
}

// In a Release build too: what would be read beyond a span's end is a defect that says so.
TEST(Statistics, CheckWhatTheyRequire) {
  const std::vector<double> none, one{1}, two{1, 2};
  EXPECT_THROW(mean_sd(none), ContractError);
  EXPECT_THROW(paired_difference(one, two), ContractError);
  EXPECT_THROW(correlation(one, two), ContractError);
  EXPECT_THROW(paired_difference(two, two, 1.0), ContractError);
  EXPECT_THROW(t_interval(0, 1, 1, 0.95), ContractError);
  EXPECT_THROW(interval_of(paired_difference(one, one), 0.95), ContractError);
  try {
    paired_difference(one, two);
  } catch (const ContractError& fault) {
    EXPECT_NE(std::string(fault.what()).find("it got 1 and 2"), std::string::npos) << fault.what();
  }
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
