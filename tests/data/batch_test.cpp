#include "data/batch.h"

#include <gtest/gtest.h>

#include <numeric>

namespace kablate {
namespace {

TokenStream counting(std::uint16_t size) {
  const auto ids = std::make_shared<std::vector<std::uint16_t>>(size);
  std::iota(ids->begin(), ids->end(), std::uint16_t{0});
  return TokenStream(TokenStream::Narrow(*ids), ids);
}

TEST(Batch, HasTargetsOneTokenAhead) {
  const std::vector<std::int64_t> starts{5, 0, 93};
  const auto batch = make_batch(counting(100), starts, 6);
  ASSERT_EQ(batch.inputs.sizes(), (at::IntArrayRef{3, 6}));
  ASSERT_EQ(batch.targets.sizes(), (at::IntArrayRef{3, 6}));
  EXPECT_EQ(batch.inputs.scalar_type(), at::kLong);
  for (std::int64_t b = 0; b < 3; ++b)
    for (std::int64_t t = 0; t < 6; ++t) {
      EXPECT_EQ(batch.inputs[b][t].item<std::int64_t>(), starts[static_cast<std::size_t>(b)] + t);
      EXPECT_EQ(batch.targets[b][t].item<std::int64_t>(), starts[static_cast<std::size_t>(b)] + t + 1);
    }
  EXPECT_TRUE(batch.samples.empty());
  EXPECT_THROW(make_batch(counting(100), std::vector<std::int64_t>{94}, 6), std::out_of_range);
}

TEST(Batch, CarriesTheSampleNumbersOfItsRows) {
  const SampleOrder order(1, 100, 6);
  const auto batch = training_batch(counting(100), order, 20, 4);
  EXPECT_EQ(batch.samples, (std::vector<std::uint64_t>{20, 21, 22, 23}));
  const auto starts = order.starts(20, 4);
  for (std::int64_t b = 0; b < 4; ++b)
    EXPECT_EQ(batch.inputs[b][0].item<std::int64_t>(), starts[static_cast<std::size_t>(b)]);
}

}  // namespace
}  // namespace kablate
