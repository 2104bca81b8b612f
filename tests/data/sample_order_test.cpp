#include "data/sample_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using Starts = std::vector<std::int64_t>;

TEST(SampleOrder, DependsOnSeedAndSampleNumberAlone) {
  constexpr std::int64_t N = 1000, T = 16, kSamples = 240;
  const auto whole = SampleOrder(5, N, T).starts(0, kSamples);
  for (const std::int64_t batch : {1, 3, 12, 40, 240}) {  // any split into batches and accumulation
    Starts pieces;
    for (std::int64_t g = 0; g < kSamples; g += batch)
      for (const auto start : SampleOrder(5, N, T).starts(static_cast<std::uint64_t>(g), batch))
        pieces.push_back(start);
    EXPECT_EQ(pieces, whole) << batch;
  }
  EXPECT_NE(SampleOrder(6, N, T).starts(0, kSamples), whole);
  EXPECT_NE(SampleOrder(5 + (1ULL << 32), N, T).starts(0, kSamples), whole);  // all 64 bits of a seed count
}

// Every epoch walks all windows once, from an offset in [0, T), T apart, the last target inside the data.
TEST(SampleOrder, CoversEachEpochOnce) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    const auto T = static_cast<std::int64_t>(1 + random() % 20);
    const auto N = 2 * T + static_cast<std::int64_t>(random() % 300);
    const SampleOrder order(random(), N, T);
    const std::int64_t n = order.windows_per_epoch();
    ASSERT_EQ(n, (N - T) / T);
    for (std::uint64_t epoch = 0; epoch < 3; ++epoch) {
      const auto starts = order.starts(epoch * static_cast<std::uint64_t>(n), n);
      const std::set<std::int64_t> distinct(starts.begin(), starts.end());
      const std::int64_t offset = *distinct.begin();
      ASSERT_GE(offset, 0);
      ASSERT_LT(offset, T);
      std::int64_t window = 0;
      for (const auto start : distinct) ASSERT_EQ(start, offset + window++ * T);
      ASSERT_EQ(window, n);
      ASSERT_LE(*distinct.rbegin() + T, N - 1) << "N " << N << " T " << T;
    }
  }
}

TEST(SampleOrder, DrawsOffsetAndOrderAnewEachEpoch) {
  constexpr std::int64_t T = 64, N = 20000;
  const SampleOrder order(1, N, T);
  const std::int64_t n = order.windows_per_epoch();
  std::set<std::int64_t> offsets;
  std::set<Starts> orders;
  for (std::uint64_t epoch = 0; epoch < 40; ++epoch) {
    auto starts = order.starts(epoch * static_cast<std::uint64_t>(n), n);
    const auto offset = starts.front() % T;
    offsets.insert(offset);
    for (auto& start : starts) start = (start - offset) / T;
    EXPECT_FALSE(std::is_sorted(starts.begin(), starts.end()));
    orders.insert(starts);
  }
  EXPECT_EQ(orders.size(), 40u);
  EXPECT_GT(offsets.size(), 20u);  // 40 draws of 64
}

TEST(SampleOrder, ReachesEveryOffset) {
  std::set<std::int64_t> offsets;
  const SampleOrder order(3, 8, 4);  // one window an epoch
  for (const auto start : order.starts(0, 200)) offsets.insert(start);
  EXPECT_EQ(offsets, (std::set<std::int64_t>{0, 1, 2, 3}));
}

TEST(SampleOrder, RefusesDataOfLessThanOneWindow) {
  EXPECT_EQ(SampleOrder(1, 128, 64).windows_per_epoch(), 1);
  const auto message = message_of<UserError>([] { SampleOrder(1, 127, 64); });
  for (const char* part : {"GPT2_BLOCK_SIZE = 64", "127 tokens", "at least 128"})
    EXPECT_NE(message.find(part), std::string::npos) << message;
}

// These places are part of every published result: changing them makes all recorded trials unrepeatable.
TEST(SampleOrder, IsTheOneOfTheRecords) {
  EXPECT_EQ(SampleOrder(1, 1000, 10).starts(0, 6), (Starts{812, 422, 582, 912, 782, 172}));
  EXPECT_EQ(SampleOrder(1, 1000, 10).starts(1000, 3), (Starts{634, 644, 164}));
}

TEST(DataSeed, IsTheTrialsUnlessSet) {
  DataConfig data;
  EXPECT_EQ(data_seed(data, 7), 7u);
  data.seed = 3;
  EXPECT_EQ(data_seed(data, 7), 3u);
}

TEST(EvaluationWindows, AreEvenlySpaced) {
  EXPECT_EQ(evaluation_windows(10, 0), (Starts{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(evaluation_windows(10, 5), (Starts{0, 2, 4, 6, 8}));
  EXPECT_EQ(evaluation_windows(10, 3), (Starts{0, 3, 6}));
  EXPECT_EQ(evaluation_windows(10, 1), Starts{0});
  EXPECT_EQ(evaluation_windows(10, 10), evaluation_windows(10, 0));
  EXPECT_EQ(evaluation_windows(10, 200), evaluation_windows(10, 0));  // never more than there are
  EXPECT_EQ(evaluation_windows(1, 7), Starts{0});
  EXPECT_EQ(evaluation_windows(0, 7), Starts{});
}

TEST(EvaluationWindows, StayInsideAndApart) {
  for (std::int64_t windows = 1; windows < 120; ++windows)
    for (std::int64_t samples = 0; samples < 20; ++samples) {
      const auto numbers = evaluation_windows(windows, samples);
      ASSERT_EQ(numbers.front(), 0);
      for (std::size_t i = 1; i < numbers.size(); ++i) ASSERT_GT(numbers[i], numbers[i - 1]);
      ASSERT_LT(numbers.back(), windows);
    }
}

}  // namespace
}  // namespace kablate
