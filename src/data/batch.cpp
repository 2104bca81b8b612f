#include "data/batch.h"

#include <algorithm>
#include <numeric>

#include <ATen/ops/empty.h>

namespace kablate {

Batch make_batch(const TokenStream& tokens, std::span<const std::int64_t> starts, std::int64_t context) {
  const auto B = static_cast<std::int64_t>(starts.size()), T = context;
  Batch batch{at::empty({B, T}, at::kLong), at::empty({B, T}, at::kLong), {}};
  auto* inputs = batch.inputs.mutable_data_ptr<std::int64_t>();
  auto* targets = batch.targets.mutable_data_ptr<std::int64_t>();
  for (const std::int64_t start : starts) {
    tokens.copy(start, T, inputs);
    tokens.copy(start + 1, T, targets);
    inputs += T;
    targets += T;
  }
  return batch;
}

Batch training_batch(const TokenStream& tokens, const SampleOrder& order, std::uint64_t first,
                     std::int64_t count) {
  const auto starts = order.starts(first, count);
  Batch batch = make_batch(tokens, starts, order.context());
  batch.samples.resize(starts.size());
  std::iota(batch.samples.begin(), batch.samples.end(), first);
  return batch;
}

}  // namespace kablate
