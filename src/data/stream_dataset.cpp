#include "data/stream_dataset.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <vector>

#include <ATen/ops/empty.h>

#include "base/text.h"
#include "data/sample_order.h"

namespace kablate {
namespace {

// Whether `part` stands in `whole` from token `start`.
bool stands_in(const TokenStream& whole, const TokenStream& part, std::int64_t start) {
  constexpr std::int64_t kAtOnce = 4096;
  std::vector<std::int64_t> ours(kAtOnce), theirs(kAtOnce);
  for (std::int64_t done = 0; done < part.size(); done += kAtOnce) {
    const std::int64_t count = std::min(kAtOnce, part.size() - done);
    whole.copy(start + done, count, ours.data());
    part.copy(done, count, theirs.data());
    if (!std::equal(ours.begin(), ours.begin() + count, theirs.begin())) return false;
  }
  return true;
}

}  // namespace

Batch make_batch(const TokenStream& tokens, std::span<const std::int64_t> starts, std::int64_t T) {
  const auto B = static_cast<std::int64_t>(starts.size());
  Batch batch{at::empty({B, T}, at::kLong), at::empty({B, T}, at::kLong), {}, {}};
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

Batch StreamDataset::samples(std::uint64_t seed, std::uint64_t first, std::int64_t count,
                             std::int64_t T) const {
  const auto starts = SampleOrder(seed, train_.size(), T).starts(first, count);
  Batch batch = make_batch(train_, starts, T);
  batch.samples.resize(starts.size());
  std::iota(batch.samples.begin(), batch.samples.end(), first);
  return batch;
}

std::int64_t StreamDataset::num_windows(Split split, std::int64_t T) const {
  return std::max<std::int64_t>(0, (stream(split).size() - 1) / T);
}

Batch StreamDataset::windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const {
  std::vector<std::int64_t> starts(numbers.begin(), numbers.end());
  for (auto& start : starts) start *= T;
  Batch batch = make_batch(stream(split), starts, T);
  batch.samples.assign(numbers.begin(), numbers.end());
  return batch;
}

const StreamDataset& streams_of(const Dataset& data) {
  const auto* streams = dynamic_cast<const StreamDataset*>(&data);
  if (streams == nullptr) throw std::logic_error("this data is no token streams");
  return *streams;
}

std::optional<std::int64_t> place_of_validation(const TokenStream& train, const TokenStream& validation) {
  const std::int64_t most = train.size() - validation.size();
  for (const std::int64_t start : {std::int64_t{0}, most})
    if (most >= 0 && stands_in(train, validation, start)) return start;
  return {};
}

std::string validation_is_trained_on(const TokenStream& train, const TokenStream& validation) {
  const auto place = place_of_validation(train, validation);
  if (!place) return "";
  return str("the training split holds the whole validation split, from token ", *place,
             ": the validation loss is that of a text which is trained on");
}

}  // namespace kablate
