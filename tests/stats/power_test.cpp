#include "stats/power.h"

#include <gtest/gtest.h>

namespace kablate {
namespace {

TEST(Power, NeedsThePairsOfTheTextbookTable) {
  const double alpha = 0.05 / 6;
  EXPECT_EQ(least_pairs(1, alpha), 16u);
  EXPECT_EQ(least_pairs(1.5, alpha), 9u);
  EXPECT_EQ(least_pairs(2, alpha), 7u);
  EXPECT_EQ(least_pairs(3, alpha), 5u);
}

TEST(Power, OfNoEffectIsAlpha) {
  for (const std::size_t n : {2, 3, 8, 30}) EXPECT_NEAR(paired_t_power(0, n, 0.05), 0.05, 1e-12);
}

TEST(Power, OfTheSmallestEffectIsWhatWasAskedFor) {
  for (const std::size_t n : {2, 3, 5, 8, 10, 40})
    for (const double alpha : {0.05, 0.05 / 3, 0.05 / 12}) {
      SCOPED_TRACE(testing::Message() << n << " pairs, alpha " << alpha);
      const double d = smallest_effect(n, alpha);
      EXPECT_NEAR(paired_t_power(d, n, alpha), 0.8, 1e-9);
      EXPECT_LT(paired_t_power(0.99 * d, n, alpha), 0.8);
      EXPECT_LE(least_pairs(1.0001 * d, alpha), n);
    }
}

TEST(Power, LeastPairsAreTheLeast) {
  for (const double d : {0.2, 0.7, 1.3, 10.0, 1000.0}) {
    const auto n = least_pairs(d, 0.05);
    EXPECT_GE(paired_t_power(d, n, 0.05), 0.8) << d;
    if (n == 2) continue;
    EXPECT_LT(paired_t_power(d, n - 1, 0.05), 0.8) << d;
  }
}

TEST(Power, IsOneOfEffectsThatNoSpreadCanHide) {
  for (const double d : {1e5, 1e9, 1e15})
    for (const std::size_t n : {2, 3, 8}) EXPECT_EQ(paired_t_power(d, n, 0.05 / 6), 1) << d << ", " << n;
}

}  // namespace
}  // namespace kablate
