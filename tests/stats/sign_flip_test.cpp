#include "stats/sign_flip.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace kablate {
namespace {

TEST(SignFlip, WorkedByHand) {
  // ±1 ±2 ±4: only +++ and --- reach 7. ±1 ±1 ±2 with a sum of 2: six of eight reach it.
  EXPECT_EQ(sign_flip(std::vector{1.0, 2.0, 4.0}).p, 0.25);
  EXPECT_EQ(sign_flip(std::vector{1.0, -1.0, 2.0}).p, 0.75);
  EXPECT_EQ(sign_flip(std::vector{1.0, -1.0}).p, 1);
  EXPECT_EQ(sign_flip(std::vector{0.0, 0.0, 0.0}).p, 1);
  EXPECT_EQ(sign_flip(std::vector{-5.0}).p, 1);
}

TEST(SignFlip, CountsTiesThatRoundingHides) {
  // 0.1 + 0.2 - 0.2 comes out larger than 0.1 - 0.2 + 0.2; all eight assignments reach ±.1.
  EXPECT_EQ(sign_flip(std::vector{0.1, 0.2, -0.2}).p, 1);
  EXPECT_EQ(sign_flip(std::vector{0.1, 0.3, -0.1}).p, 0.75);
}

TEST(SignFlip, ReachesTheLeastPOfItsPairs) {
  const double least[] = {1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.0078125};
  for (std::size_t n = 1; n <= 8; ++n) {
    EXPECT_EQ(least_sign_flip_p(n), least[n - 1]);
    EXPECT_EQ(sign_flip(std::vector<double>(n, -0.01)).p, least[n - 1]);
  }
  const auto twenty = sign_flip(std::vector<double>(20, 1.0));
  EXPECT_TRUE(twenty.exact);
  EXPECT_EQ(twenty.assignments, 1 << 20);
  EXPECT_EQ(twenty.p, std::ldexp(1, -19));
}

// Draw after draw, sum after sum: however many are made at once, the figures are these.
double plainly_sampled(const std::vector<double>& differences) {
  double sum = 0, sizes = 0;
  for (const double d : differences) sum += d, sizes += std::abs(d);
  const auto key = stream_key(0, "sign flips");
  const auto words = (differences.size() + 63) / 64;
  std::int64_t found = 0;
  for (std::uint64_t draw = 0; draw < 100'000; ++draw) {
    double flipped = 0;
    for (std::size_t i = 0; i < differences.size(); ++i)
      flipped +=
          (random_bits(key, draw * words + i / 64) >> i % 64 & 1) != 0 ? differences[i] : -differences[i];
    found += std::abs(flipped) >= std::abs(sum) - 1e-12 * sizes ? 1 : 0;
  }
  return static_cast<double>(1 + found) / 100'001;
}

TEST(SignFlip, OfManyPairsIsThatOfDrawsMadeOneByOne) {
  const auto key = stream_key(2, "test");
  for (const std::size_t n : {21u, 64u, 65u, 130u}) {
    std::vector<double> differences;
    for (std::uint64_t i = 0; i < n; ++i) differences.push_back(random_uniform(key, i) - 0.45);
    EXPECT_EQ(sign_flip(differences).p, plainly_sampled(differences)) << n;
  }
}

TEST(SignFlip, SamplesBeyondTwentyPairsWithKeyedDraws) {
  std::vector<double> differences;
  const auto key = stream_key(1, "test");
  for (std::uint64_t i = 0; i < 21; ++i) differences.push_back(random_uniform(key, i) - 0.35);
  double sum = 0;
  for (const double d : differences) sum += d;
  std::int64_t reaching = 0;
  for (std::uint32_t signs = 0; signs < (1u << 21); ++signs) {
    double flipped = 0;
    for (std::size_t i = 0; i < differences.size(); ++i)
      flipped += (signs >> i & 1) != 0 ? differences[i] : -differences[i];
    reaching += std::abs(flipped) >= std::abs(sum) - 1e-12 ? 1 : 0;
  }
  const double p = std::ldexp(static_cast<double>(reaching), -21);
  ASSERT_GT(p, 0.001);
  const auto result = sign_flip(differences);
  EXPECT_FALSE(result.exact);
  EXPECT_EQ(result.assignments, 100'000);
  EXPECT_NEAR(result.p, p, 5 * std::sqrt(p * (1 - p) / 1e5)) << "five standard errors";
  EXPECT_EQ(sign_flip(differences).p, result.p);
}

TEST(SignFlip, SampledHasNoPOfZero) {
  const auto result = sign_flip(std::vector<double>(70, 1.0));  // more than 64: two words of signs
  EXPECT_EQ(result.p, 1 / 100'001.0);
  EXPECT_EQ(least_sign_flip_p(70), result.p);
}

}  // namespace
}  // namespace kablate
