#include "data/sample_order.h"

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "base/text.h"

namespace kablate {
namespace {

std::string name_of(std::uint64_t epoch) { return str("data/epoch/", epoch); }

// Of an epoch's sequences.
Permutation order_of(std::uint64_t seed, std::uint64_t epoch, std::uint64_t size) {
  return {stream_key(seed, name_of(epoch) + "/order"), size};
}

}  // namespace

SampleOrder::SampleOrder(std::uint64_t seed, std::int64_t num_tokens, std::int64_t context)
    : seed_(seed), context_(context), windows_((num_tokens - context) / context) {
  if (num_tokens < 2 * context)
    throw UserError(str("GPT2_BLOCK_SIZE = ", context, ": the training data has ", num_tokens,
                        " tokens and needs at least ", 2 * context,
                        "; use more data or a smaller GPT2_BLOCK_SIZE"));
}

std::vector<std::int64_t> SampleOrder::starts(std::uint64_t first, std::int64_t count) const {
  const auto n = static_cast<std::uint64_t>(windows_), T = static_cast<std::uint64_t>(context_);
  std::vector<std::int64_t> starts;
  for (std::uint64_t g = first; g < first + static_cast<std::uint64_t>(count);) {
    const std::uint64_t epoch = g / n;
    const std::uint64_t offset = random_below(stream_key(seed_, name_of(epoch) + "/offset"), 0, T);
    const Permutation window = order_of(seed_, epoch, n);
    for (; g < first + static_cast<std::uint64_t>(count) && g / n == epoch; ++g)
      starts.push_back(static_cast<std::int64_t>(offset + window(g % n) * T));
  }
  return starts;
}

std::vector<std::int64_t> keyed_sequences(std::uint64_t seed, std::int64_t size, std::uint64_t first,
                                          std::int64_t count) {
  const auto n = static_cast<std::uint64_t>(size), end = first + static_cast<std::uint64_t>(count);
  std::vector<std::int64_t> numbers;
  for (std::uint64_t g = first; g < end;) {
    const std::uint64_t epoch = g / n;
    const Permutation sequence = order_of(seed, epoch, n);
    for (; g < end && g / n == epoch; ++g) numbers.push_back(static_cast<std::int64_t>(sequence(g % n)));
  }
  return numbers;
}

std::uint64_t data_seed(const DataConfig& data, std::int64_t trial_seed) {
  return static_cast<std::uint64_t>(data.seed != 0 ? data.seed : trial_seed);
}

std::vector<std::int64_t> evaluation_windows(std::int64_t num_windows, std::int64_t samples) {
  const std::int64_t count = samples == 0 ? num_windows : std::min(samples, num_windows);
  std::vector<std::int64_t> numbers;
  for (std::int64_t j = 0; j < count; ++j) numbers.push_back(j * num_windows / count);
  return numbers;
}

}  // namespace kablate
