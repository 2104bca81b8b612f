#include "data/stream_dataset.h"

#include <gtest/gtest.h>

#include <numeric>

#include "data/sample_order.h"

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

// 0, 1, ... in both splits.
class Counting final : public StreamDataset {
 public:
  Counting(std::uint16_t train, std::uint16_t validation) {
    train_ = counting(train), validation_ = counting(validation);
  }
  std::string hash() const override { return "counting"; }
};

TEST(StreamDataset, GivesASampleByItsNumberWhateverTheBatch) {
  const Counting data(100, 50);
  const auto batch = data.samples(1, 20, 4, 6);
  EXPECT_EQ(batch.samples, (std::vector<std::uint64_t>{20, 21, 22, 23}));
  const auto starts = SampleOrder(1, 100, 6).starts(20, 4);
  for (std::int64_t b = 0; b < 4; ++b) {
    EXPECT_EQ(batch.inputs[b][0].item<std::int64_t>(), starts[static_cast<std::size_t>(b)]);
    const auto alone = data.samples(1, 20 + static_cast<std::uint64_t>(b), 1, 6);
    EXPECT_TRUE(at::equal(alone.inputs[0], batch.inputs[b]));
    EXPECT_TRUE(at::equal(alone.targets[0], batch.targets[b]));
  }
}

TEST(StreamDataset, GivesAWindowByItsNumber) {
  const Counting data(100, 50);
  EXPECT_EQ(data.num_windows(Split::kTrain, 6), 16);
  EXPECT_EQ(data.num_windows(Split::kValidation, 6), 8);   // token 49 is the last target
  EXPECT_EQ(data.num_windows(Split::kValidation, 50), 0);  // which the only window would lack
  const auto batch = data.windows(Split::kValidation, std::vector<std::int64_t>{7, 0, 3}, 6);
  EXPECT_EQ(batch.samples, (std::vector<std::uint64_t>{7, 0, 3}));
  for (std::int64_t b = 0; b < 3; ++b)
    EXPECT_EQ(batch.inputs[b][0].item<std::int64_t>(), 6 * std::int64_t(batch.samples[b]));
  EXPECT_THROW(data.windows(Split::kValidation, std::vector<std::int64_t>{8}, 6), std::out_of_range);
}

}  // namespace
}  // namespace kablate
