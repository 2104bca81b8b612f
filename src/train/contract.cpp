#include "train/contract.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "base/rng.h"
#include "data/lines_dataset.h"
#include "data/stream_dataset.h"

namespace kablate {
namespace {

const TokenStream& stream(const Dataset& data, Split split) {
  const StreamDataset& streams = streams_of(data);
  return split == Split::kTrain ? streams.train() : streams.validation();
}

// 53 bits of the block at (place, number), as a number in [0, 1).
double uniform(std::uint64_t seed, const char* name, std::uint64_t number, std::int64_t place) {
  const auto block = random_block(stream_key(seed, name), static_cast<std::uint64_t>(place), number);
  const std::uint64_t high = block[0], low = block[1];
  return static_cast<double>((high << 21) + (low >> 11)) / static_cast<double>(std::uint64_t{1} << 53);
}

// A line each, what is past its end padding; of next tokens each is said but the first.
Batch contract_lines(const Config& config, const LinesDataset& lines, Split split,
                     std::span<const std::int64_t> numbers) {
  const auto B = std::ssize(numbers), T = config.gpt.context;
  Batch batch{.inputs = at::zeros({B, T}, at::kLong),
              .targets = at::full({B, T}, kIgnoreIndex, at::kLong),
              .keep = at::zeros({B, T}, at::kBool)};
  const std::int64_t shift = config.objective.masked() ? 0 : 1;
  for (std::int64_t b = 0; b < B; ++b) {
    const auto line = lines.line(split, numbers[static_cast<std::size_t>(b)]);
    const auto kept = std::min(T, std::ssize(line) - shift);
    for (std::int64_t t = 0; t < kept; ++t) {
      batch.inputs[b][t] = line[static_cast<std::size_t>(t)];
      batch.targets[b][t] = line[static_cast<std::size_t>(t + shift)];
      batch.keep[b][t] = true;
    }
  }
  return batch;
}

}  // namespace

std::vector<std::int64_t> contract_numbers(std::int64_t count, std::int64_t samples) {
  const std::int64_t k = samples == 0 ? count : std::min(samples, count);
  std::vector<std::int64_t> numbers;
  for (std::int64_t j = 0; j < k; ++j) numbers.push_back(j * count / k);
  return numbers;
}

std::int64_t contract_count(const Dataset& data, Split split, std::int64_t T) {
  if (lines_of(data) != nullptr || dynamic_cast<const StreamDataset*>(&data) == nullptr)
    return data.num_windows(split, T);
  return (stream(data, split).size() - 1) / T;
}

Batch contract_windows(const Config& config, const Dataset& data, Split split,
                       std::span<const std::int64_t> numbers) {
  const auto T = config.gpt.context;
  if (config.data.is_synthetic()) return data.windows(split, numbers, T);
  std::vector<std::int64_t> starts;
  for (const auto number : numbers) starts.push_back(number * T);
  const auto* lines = lines_of(data);
  Batch batch = lines != nullptr ? contract_lines(config, *lines, split, numbers)
                                 : make_batch(stream(data, split), starts, T);
  batch.samples.assign(numbers.begin(), numbers.end());
  return batch;
}

Batch contract_keyed(const Config& config, Batch batch, std::uint64_t seed, std::int64_t mask_token) {
  if (!config.objective.masked()) return batch;
  const bool uniform_rates = config.objective.schedule == MaskSchedule::kUniform;
  const auto B = batch.inputs.size(0), T = batch.inputs.size(1);
  const Tensor tokens = batch.inputs;
  batch.inputs = tokens.clone(), batch.targets = at::full_like(tokens, kIgnoreIndex);
  if (uniform_rates) batch.weights = at::zeros({B, T}, at::kFloat);
  if (config.objective.critic) batch.draws = at::zeros({B, T}, at::kDouble);
  for (std::int64_t b = 0; b < B; ++b) {
    const auto number = batch.samples[static_cast<std::size_t>(b)];
    std::vector<std::int64_t> kept;
    for (std::int64_t t = 0; t < T; ++t)
      if (!batch.keep.defined() || batch.keep[b][t].item<bool>()) kept.push_back(t);
    const double count = static_cast<double>(kept.size());
    const double rate = uniform_rates ? 1 / count + (1 - 1 / count) * uniform(seed, "mask/rate", number, 0)
                                      : config.objective.mask_rate;
    std::vector<std::int64_t> masked;
    for (const auto t : kept)
      if (uniform(seed, "mask", number, t) < rate) masked.push_back(t);
    if (masked.empty() && !uniform_rates)
      masked.push_back(*std::min_element(kept.begin(), kept.end(), [&](auto s, auto t) {
        return uniform(seed, "mask", number, s) < uniform(seed, "mask", number, t);
      }));
    for (const auto t : masked) {
      batch.targets[b][t] = tokens[b][t];
      batch.inputs[b][t] = mask_token;
      if (uniform_rates) batch.weights[b][t] = 1 / (rate * count);
      if (config.objective.critic) batch.draws[b][t] = uniform(seed, "mask/fill", number, t);
    }
  }
  return batch;
}

std::int64_t contract_right(const Batch& batch, const Tensor& logits_BTV) {
  const Tensor said_BT = logits_BTV.argmax(2).cpu();
  return (said_BT.eq(batch.targets) & batch.targets.ne(kIgnoreIndex)).sum().item<std::int64_t>();
}

ContractLoss contract_loss(const Config& config, const Batch& batch, const Tensor& logits_BTV,
                           std::int64_t mask_token) {
  Tensor wide = logits_BTV.to(at::kDouble);
  if (config.objective.masked()) {
    wide = wide.clone();
    wide.select(2, mask_token).fill_(-std::numeric_limits<double>::infinity());
  }
  const Tensor targets_BT = batch.targets.to(wide.device()), said_BT = targets_BT.ne(kIgnoreIndex);
  Tensor losses_BT = wide.log_softmax(2)
                         .gather(2, targets_BT.clamp_min(0).unsqueeze(2))
                         .squeeze(2)
                         .neg()
                         .masked_fill(said_BT.logical_not(), 0);
  if (batch.weights.defined()) losses_BT = losses_BT * batch.weights.to(wide.device());
  const bool by_sequence = config.objective.masked() && config.objective.schedule == MaskSchedule::kUniform;
  return {losses_BT.sum().item<double>(),
          by_sequence ? static_cast<double>(batch.inputs.size(0)) : said_BT.sum().item<double>()};
}

}  // namespace kablate
