#include "model/dropout_mask.h"

#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/rng.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

using at::Tensor;

// Keys, sample numbers past 32 bits, counts that are no multiple of a block, of one sequence and of more than
// are made at once.
TEST(KeptByDropout, IsWhatTheGeneratorSays) {
  const auto seed = seed_of_this_run();
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto key = random_bits(seed, 3 * i), B = 1 + random_below(seed, 3 * i + 1, 4);
    const auto count = static_cast<std::int64_t>(1 + random_below(seed, 3 * i + 2, 5000));
    const double drop = 0.05 + 0.9 * random_uniform(seed, 1000 + i);
    std::vector<std::uint64_t> samples{0, 7, std::numeric_limits<std::uint32_t>::max(), key};
    samples.resize(B);
    const Tensor kept = kept_by_dropout(key, samples, drop, count, c10::kCPU);
    ASSERT_EQ(kept.sizes(), (std::vector<std::int64_t>{static_cast<std::int64_t>(B), count}));
    for (std::uint64_t b = 0; b < B; ++b) {
      Tensor expected = at::empty({count}, at::kFloat);
      fill_dropout(key, samples[b], drop, 1, expected.data_ptr<float>(), count);
      EXPECT_TRUE(at::equal(kept[static_cast<std::int64_t>(b)].to(at::kFloat), expected)) << i << " " << b;
    }
  }
}

TEST(KeptByDropout, IsTheSameWhereOneSequenceIsMadeInParts) {
  constexpr std::int64_t count = (4 << 22) + 9;
  const Tensor kept = kept_by_dropout(5, {3}, 0.3, count, c10::kCPU);
  Tensor expected = at::empty({count}, at::kFloat);
  fill_dropout(5, 3, 0.3, 1, expected.data_ptr<float>(), count);
  EXPECT_TRUE(at::equal(kept[0].to(at::kFloat), expected));
}

}  // namespace
}  // namespace kablate
