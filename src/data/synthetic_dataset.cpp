#include "data/synthetic_dataset.h"

#include <numeric>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"
#include "config/config.h"
#include "config/enum_names.h"
#include "config/synthetic.h"
#include "data/sample_order.h"

namespace kablate {
namespace {

// Counts up where a task comes out differently.
constexpr int kGeneration = 1;

}  // namespace

SyntheticDataset::SyntheticDataset(const Config& config, std::uint64_t seed)
    : data_(config.data), T_(config.gpt.context), seed_(seed) {
  check_synthetic(config);
  vocabulary_ = data_.synthetic.vocabulary;
  tokenizer_ = Tokenizer::of_numbers(vocabulary_);
  task_ = make_task(data_, T_);
}

Batch SyntheticDataset::samples(std::uint64_t seed, std::uint64_t first, std::int64_t count,
                                std::int64_t T) const {
  TORCH_CHECK(T == T_, "sequences of ", T, " tokens of a set of ", T_);
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  if (data_.synthetic.train == 0)
    std::iota(numbers.begin(), numbers.end(), static_cast<std::int64_t>(first));
  else
    numbers = keyed_sequences(seed, data_.synthetic.train, first, count);
  Batch result = batch(training_key(seed), /*tests=*/false, numbers);
  std::iota(result.samples.begin(), result.samples.end(), first);
  return result;
}

std::int64_t SyntheticDataset::num_windows(Split split, std::int64_t) const {
  const auto& made = data_.synthetic;
  return split == Split::kValidation || made.train == 0 ? made.test : made.train;
}

Batch SyntheticDataset::windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const {
  TORCH_CHECK(T == T_, "sequences of ", T, " tokens of a set of ", T_);
  for (const auto number : numbers)
    TORCH_CHECK(number >= 0 && number < num_windows(split, T), "sequence ", number, " of ",
                num_windows(split, T));
  if (split == Split::kTrain) return batch(training_key(seed_), /*tests=*/false, numbers);
  return batch(stream_key(0, "synthetic/test/" + enum_name(data_.dataset)), /*tests=*/true, numbers);
}

std::uint64_t SyntheticDataset::training_key(std::uint64_t seed) const {
  return stream_key(seed, "synthetic/train/" + enum_name(data_.dataset));
}

std::shared_ptr<const Dataset> SyntheticDataset::with_seed(std::uint64_t seed) const {
  const std::shared_ptr<SyntheticDataset> own(new SyntheticDataset(*this));
  own->seed_ = seed;
  return own;
}

Batch SyntheticDataset::batch(std::uint64_t key, bool tests, std::span<const std::int64_t> numbers) const {
  const auto B = std::ssize(numbers);
  Batch batch{.inputs = at::empty({B, T_}, at::kLong), .targets = at::full({B, T_}, kIgnoreIndex, at::kLong)};
  const auto T = static_cast<std::size_t>(T_);
  for (std::size_t b = 0; b < numbers.size(); ++b) {
    Draws draws(key, static_cast<std::uint64_t>(numbers[b]));
    task_->make(draws, tests, {batch.inputs.mutable_data_ptr<std::int64_t>() + b * T, T},
                {batch.targets.mutable_data_ptr<std::int64_t>() + b * T, T});
  }
  batch.samples.assign(numbers.begin(), numbers.end());
  return batch;
}

std::string SyntheticDataset::hash() const {
  return hex(sha256(str("synthetic ", kGeneration, " ", enum_name(data_.dataset))));
}

}  // namespace kablate
