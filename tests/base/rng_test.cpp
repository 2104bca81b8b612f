#include "base/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>
#include <vector>

namespace kablate {
namespace {

std::uint64_t both_halves(std::uint64_t high, std::uint64_t low) { return high << 32 | low; }

// The vectors that come with Random123 (Salmon et al. 2011), philox4x32 with 10 rounds: counter, key, result.
TEST(RandomBlock, GivesPhiloxsKnownAnswers) {
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(random_block(0, 0, 0), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(random_block(~0ULL, ~0ULL, ~0ULL), (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(random_block(both_halves(0x299f31d0, 0xa4093822), both_halves(0x85a308d3, 0x243f6a88),
                         both_halves(0x03707344, 0x13198a2e)),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(StreamKey, KeepsAllBitsOfSeedsAndNamesApart) {
  std::set<std::uint64_t> keys;
  for (const std::uint64_t seed : {1ULL, 2ULL, 1ULL + (1ULL << 32), 1ULL + (1ULL << 63)})
    for (const char* name : {"a", "b", "1/a", ""}) keys.insert(stream_key(seed, name));
  EXPECT_EQ(keys.size(), 16u);
  // SHA-256 of "1/a" begins with these bytes: the streams of a published result can be made again.
  EXPECT_EQ(stream_key(1, "a"), 0xbf1d987701909d7bULL);
}

TEST(RandomBelow, StaysBelowAndReachesAll) {
  std::vector<int> counts(6);
  for (std::uint64_t n = 0; n < 6000; ++n) ++counts.at(random_below(7, n, 6));
  for (const int count : counts) EXPECT_NEAR(count, 1000, 5 * std::sqrt(1000.0 * 5 / 6));
  EXPECT_EQ(random_below(7, 3, 1), 0u);
  // Here the remainder of a plain division would fall below 2^62 half of the time, not a third.
  const std::uint64_t bound = 3ULL << 62;
  int low = 0;
  for (std::uint64_t n = 0; n < 9000; ++n) {
    const auto value = random_below(7, n, bound);
    ASSERT_LT(value, bound);
    low += value < 1ULL << 62;
  }
  EXPECT_NEAR(low, 3000, 5 * std::sqrt(9000 * 2.0 / 9));
}

TEST(RandomUniform, IsInRangeWithMeanOneHalf) {
  double sum = 0;
  constexpr int kCount = 100000;
  for (std::uint64_t n = 0; n < kCount; ++n) {
    const double u = random_uniform(11, n);
    ASSERT_TRUE(u >= 0 && u < 1);
    sum += u;
  }
  EXPECT_NEAR(sum / kCount, 0.5, 5 / std::sqrt(12.0 * kCount));
}

// Mean, variance, skewness, kurtosis within 5 standard
// errors; neighbours uncorrelated; tails of the right weight.
TEST(FillNormal, HasTheMomentsOfANormal) {
  constexpr int kCount = 400000;
  std::vector<float> values(kCount);
  fill_normal(stream_key(1, "normal"), values.data(), kCount);
  double moments[5] = {}, neighbours = 0;
  int beyond_two = 0;
  for (int i = 0; i < kCount; ++i) {
    double power = 1;
    for (double& moment : moments) moment += power / kCount, power *= values[i];
    if (i > 0) neighbours += static_cast<double>(values[i]) * values[i - 1] / kCount;
    beyond_two += std::abs(values[i]) > 2;
  }
  const double error = 5 / std::sqrt(static_cast<double>(kCount));
  EXPECT_NEAR(moments[1], 0, error);
  EXPECT_NEAR(moments[2], 1, error * std::sqrt(2.0));
  EXPECT_NEAR(moments[3], 0, error * std::sqrt(15.0));
  EXPECT_NEAR(moments[4], 3, error * std::sqrt(96.0));
  EXPECT_NEAR(neighbours, 0, error);
  EXPECT_NEAR(beyond_two / static_cast<double>(kCount), 0.0455003, error * std::sqrt(0.0455));
}

TEST(FillNormal, GivesAnElementByItsPlaceAlone) {
  float long_run[13], short_run[7] = {};
  fill_normal(3, long_run, 13);
  fill_normal(3, short_run, 6);
  for (int i = 0; i < 6; ++i) EXPECT_EQ(short_run[i], long_run[i]);
  EXPECT_EQ(short_run[6], 0);  // nothing is written past the end
}

TEST(FillDropout, DropsTheGivenShareAndDiffersByKeyAndSample) {
  constexpr int kCount = 100001;
  std::vector<float> a(kCount), b(kCount), c(kCount);
  fill_dropout(5, 8, 0.3, 2.0f, a.data(), kCount);
  fill_dropout(5, 9, 0.3, 2.0f, b.data(), kCount);
  fill_dropout(6, 8, 0.3, 2.0f, c.data(), kCount);
  int dropped = 0;
  for (const float value : a) {
    ASSERT_TRUE(value == 0.0f || value == 2.0f);
    dropped += value == 0.0f;
  }
  EXPECT_NEAR(dropped / static_cast<double>(kCount), 0.3, 5 * std::sqrt(0.21 / kCount));
  EXPECT_NE(a, b);
  EXPECT_NE(a, c);
  fill_dropout(5, 8, 0.0, 1.0f, b.data(), kCount);
  EXPECT_EQ(b, std::vector<float>(kCount, 1.0f));
}

TEST(Permutation, IsABijectionOfAnySize) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  std::vector<std::uint64_t> sizes{1, 2, 3, 4, 5, 15, 16, 17, 64, 65, 4096, 4097};
  for (int i = 0; i < 40; ++i) sizes.push_back(1 + random() % 5000);
  for (const auto size : sizes) {
    const Permutation permutation(random(), size);
    std::vector<bool> hit(size);
    for (std::uint64_t i = 0; i < size; ++i) {
      const auto to = permutation(i);
      ASSERT_LT(to, size);
      ASSERT_FALSE(hit[to]) << "size " << size << ", index " << i;
      hit[to] = true;
    }
  }
}

TEST(Permutation, StaysInsideALargeRange) {
  for (const std::uint64_t size : {(1ULL << 40) + 1, 1ULL << 62, (1ULL << 62) + 1, ~0ULL}) {
    const Permutation permutation(1, size);
    std::set<std::uint64_t> seen;
    for (std::uint64_t i = 0; i < 1000; ++i) seen.insert(permutation(i * (size / 1000)));
    EXPECT_EQ(seen.size(), 1000u);
    EXPECT_LT(*seen.rbegin(), size);
  }
}

// A place goes to all places alike: chi-squared over 3,200
// keys, 32 cells, 31 degrees of freedom (99.99 %: 66).
TEST(Permutation, IsEvenOverKeys) {
  constexpr int kSize = 32, kKeys = 3200, kExpected = kKeys / kSize;
  for (const std::uint64_t index : {0, 17, 31}) {
    std::vector<int> counts(kSize);
    for (std::uint64_t key = 0; key < kKeys; ++key)
      ++counts.at(Permutation(stream_key(key, "p"), kSize)(index));
    double chi_squared = 0;
    for (const int count : counts) chi_squared += std::pow(count - kExpected, 2.0) / kExpected;
    EXPECT_LT(chi_squared, 66) << "index " << index;
  }
}

}  // namespace
}  // namespace kablate
