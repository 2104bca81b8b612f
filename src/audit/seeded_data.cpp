#include "audit/seeded_data.h"

#include <numeric>
#include <vector>

#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include "audit/subject.h"
#include "base/rng.h"
#include "config/config.h"
#include "data/sample_order.h"

namespace kablate {
namespace {

class SeededData final : public StreamDataset {
 public:
  SeededData(std::int64_t vocabulary, std::int64_t context) {
    train_ = stream("audit/train", 40 * context + 3, vocabulary);
    validation_ = stream("audit/validation", 12 * context + 5, vocabulary);
    vocabulary_ = vocabulary;
    tokenizer_ = Tokenizer::of_numbers(vocabulary);
  }

  std::string hash() const override { return "made for the gates"; }

 private:
  static TokenStream stream(const char* name, std::int64_t count, std::int64_t vocabulary) {
    const auto key = stream_key(1, name);
    const auto tokens = std::make_shared<std::vector<std::uint32_t>>();
    for (std::int64_t i = 0; i < count; ++i)
      tokens->push_back(static_cast<std::uint32_t>(random_uniform(key, static_cast<std::uint64_t>(i)) *
                                                   static_cast<double>(vocabulary)));
    return TokenStream(TokenStream::Wide(*tokens), tokens);
  }
};

class LabelledData final : public Dataset {
 public:
  explicit LabelledData(std::int64_t vocabulary) {
    vocabulary_ = vocabulary;
    tokenizer_ = Tokenizer::of_numbers(vocabulary);
  }

  Batch samples(std::uint64_t seed, std::uint64_t first, std::int64_t count, std::int64_t T) const override {
    Batch batch =
        windows(Split::kTrain, keyed_sequences(seed, num_windows(Split::kTrain, T), first, count), T);
    std::iota(batch.samples.begin(), batch.samples.end(), first);
    return batch;
  }
  std::int64_t num_windows(Split split, std::int64_t) const override {
    return split == Split::kTrain ? 39 : 12;
  }
  Batch windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const override {
    const auto B = std::ssize(numbers);
    Batch batch{.inputs = at::empty({B, T}, at::kLong), .targets = at::full({B, T}, kIgnoreIndex, at::kLong)};
    const auto key = stream_key(1, split == Split::kTrain ? "audit/train" : "audit/validation");
    auto* inputs = batch.inputs.mutable_data_ptr<std::int64_t>();
    auto* labels = batch.targets.mutable_data_ptr<std::int64_t>();
    for (const auto number : numbers)
      for (std::int64_t t = 0; t < T; ++t) {
        const auto block =
            random_block(key, static_cast<std::uint64_t>(t), static_cast<std::uint64_t>(number));
        const auto id = [&](std::uint32_t bits) { return static_cast<std::int64_t>(bits) % vocabulary_; };
        // The first, and from a few to half of the others.
        const auto eighths = 1 + static_cast<std::uint32_t>(number) % 4;
        *inputs++ = id(block[0]);
        if (t == 0 || block[1] % 8 < eighths) *labels = id(block[2]);
        ++labels;
      }
    batch.samples.assign(numbers.begin(), numbers.end());
    return batch;
  }
  std::string hash() const override { return "made for the gates"; }
};

}  // namespace

std::shared_ptr<const Dataset> seeded_data(const Config& config) {
  if (config.data.is_synthetic()) return std::make_shared<const LabelledData>(config.gpt.vocabulary);
  return std::make_shared<const SeededData>(
      config.objective.masked() ? audited_mask_token(config) : config.gpt.vocabulary, config.gpt.context);
}

}  // namespace kablate
