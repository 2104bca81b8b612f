#include "stats/calibration.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace kablate {
namespace {

std::vector<double> normal(std::size_t n, double mean, unsigned seed) {
  std::mt19937_64 bits(seed);
  std::normal_distribution<double> draw(mean, 1);
  std::vector<double> values(n);
  for (auto& value : values) value = draw(bits);
  return values;
}

TEST(CompareWithItself, CutsDisjointPairs) {
  // Two comparisons of two pairs; the ninth value is left over. Differences -1, -1.001, then 1, -1.
  const std::vector<double> losses{1, 1, 2, 2.001, 3, 2, 2, 3, 99};
  const auto result = compare_with_itself(losses, 2);
  EXPECT_EQ(result.comparisons, 2u);
  EXPECT_EQ(result.rejected, 1u);
  EXPECT_EQ(compare_with_itself(std::span(losses).first(7), 2).comparisons, 1u);
  EXPECT_EQ(compare_with_itself(std::span(losses).first(3), 2).comparisons, 0u);
}

TEST(CompareWithItself, RejectsAsOftenAsItSays) {
  for (const std::size_t pairs : {2u, 5u, 8u}) {
    const auto result = compare_with_itself(normal(4000 * pairs, 3, 7), pairs);
    ASSERT_EQ(result.comparisons, 2000u);
    EXPECT_NEAR(static_cast<double>(result.rejected), 100, 39) << pairs;  // four standard deviations
  }
}

TEST(CompareWithHarm, FindsWhatIsWorseOnly) {
  const auto losses = normal(2 * 5 * 4, 3, 1);
  std::vector<double> worse, better, same;
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 5; ++j) {
      const double baseline = losses[harm_place(i, j, 5)], noise = 1e-3 * static_cast<double>(j);
      worse.push_back(baseline + 1 + noise), better.push_back(baseline - 1 + noise), same.push_back(baseline);
    }
  EXPECT_EQ(compare_with_harm(losses, worse, 5).rejected, 4u);
  EXPECT_EQ(compare_with_harm(losses, worse, 5).comparisons, 4u);
  EXPECT_EQ(compare_with_harm(losses, better, 5).rejected, 0u);
  EXPECT_EQ(compare_with_harm(losses, same, 5).rejected, 0u);
  EXPECT_EQ(compare_with_harm(losses, std::span(worse).first(10), 5).comparisons, 2u);
}

TEST(AllowedRejections, AreThoseOfTheBinomial) {
  // P(X > 5) = .0139 and P(X > 4) = .0480 for 40 comparisons at .05; P(X > 1) = .0140 for 4.
  EXPECT_EQ(allowed_rejections(40), 5u);
  EXPECT_EQ(allowed_rejections(4), 1u);
  EXPECT_EQ(allowed_rejections(1), 1u);
  EXPECT_EQ(allowed_rejections(0), 0u);
}

}  // namespace
}  // namespace kablate
