#include "stats/factorial.h"

#include <gtest/gtest.h>

#include <vector>

namespace kablate {
namespace {

TEST(Factorial, OfTwoFactorsWorkedByHand) {
  // off off 10, A 8, B 7, A and B 1. A: ½((8-10) + (1-7)); B: ½((7-10) + (1-8)); AB: ½((1-7) - (8-10)).
  const auto effects = factorial_effects({{10, 8, 7, 1}}, 0.05);
  ASSERT_EQ(effects.size(), 3u);
  EXPECT_EQ(effects[0].factors, 1u);
  EXPECT_DOUBLE_EQ(effects[0].estimate.mean, -4);
  EXPECT_EQ(effects[1].factors, 2u);
  EXPECT_DOUBLE_EQ(effects[1].estimate.mean, -5);
  EXPECT_EQ(effects[2].factors, 3u);
  EXPECT_DOUBLE_EQ(effects[2].estimate.mean, -2);
  EXPECT_FALSE(effects[0].estimate.interval) << "one seed has no spread";
}

TEST(Factorial, FindsWhatThreeFactorsWereMadeOf) {
  // y = 3 + ½ Σ effect · sign, each set's own effect; bit i of the cell is factor i.
  const double planted[] = {0, 0.1, -0.2, 0.03, 0.5, 0, -0.07, 0.011};
  std::vector<double> cells;
  for (unsigned cell = 0; cell < 8; ++cell) {
    double y = 3;
    for (unsigned set = 1; set < 8; ++set) {
      double sign = 1;
      for (unsigned i = 0; i < 3; ++i)
        if ((set >> i & 1) != 0 && (cell >> i & 1) == 0) sign = -sign;
      y += sign * planted[set] / 2;
    }
    cells.push_back(y);
  }
  const auto effects = factorial_effects({cells, cells}, 0.05);
  const unsigned order[] = {1, 2, 4, 3, 5, 6, 7};
  for (std::size_t i = 0; i < effects.size(); ++i) {
    EXPECT_EQ(effects[i].factors, order[i]) << "main effects first";
    EXPECT_NEAR(effects[i].estimate.mean, planted[order[i]], 1e-12);
  }
}

TEST(Factorial, TestsEachContrastOverSeedsAndCorrectsForAll) {
  const std::vector<std::vector<double>> losses{
      {3.0, 2.9, 3.0, 2.91}, {3.1, 3.01, 3.1, 2.99}, {3.2, 3.09, 3.21, 3.1}};
  const auto effects = factorial_effects(losses, 0.05);
  std::vector<double> on_minus_off;
  for (const auto& y : losses) on_minus_off.push_back((y[1] + y[3]) / 2 - (y[0] + y[2]) / 2);
  const auto expected = paired_difference(on_minus_off);
  EXPECT_NEAR(effects[0].estimate.mean, expected.mean, 1e-14);
  EXPECT_NEAR(effects[0].estimate.p.value(), expected.p.value(), 1e-10);
  EXPECT_NEAR(effects[0].estimate.interval->low, expected.interval->low, 1e-12);
  EXPECT_DOUBLE_EQ(effects[0].holm.adjusted_p, 3 * *effects[0].estimate.p) << "the smallest p of three";
  EXPECT_TRUE(effects[0].holm.rejected);
  EXPECT_FALSE(effects[1].holm.rejected || effects[2].holm.rejected);
}

}  // namespace
}  // namespace kablate
