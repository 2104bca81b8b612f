// Data that is one text a split: a sequence is a window of it, its targets the tokens after the inputs
// (spec, section 4).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "data/dataset.h"
#include "data/token_stream.h"

namespace kablate {

// The windows of T tokens at `starts`, with the tokens after them as targets; without numbers.
Batch make_batch(const TokenStream& tokens, std::span<const std::int64_t> starts, std::int64_t T);

class StreamDataset : public Dataset {
 public:
  const TokenStream& train() const { return train_; }
  const TokenStream& validation() const { return validation_; }

  // Windows of the training split in the order of data/sample_order.h.
  Batch samples(std::uint64_t seed, std::uint64_t first, std::int64_t count, std::int64_t T) const override;
  // Windows that follow one another from token 0, as many as have a last target.
  std::int64_t num_windows(Split split, std::int64_t T) const override;
  Batch windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const override;

 protected:
  const TokenStream& stream(Split split) const { return split == Split::kTrain ? train_ : validation_; }

  TokenStream train_, validation_;
};

// The token of the training split from which it holds the whole validation split, if it is there in one piece
// at either end: a model evaluated so would be praised for what it has read.
std::optional<std::int64_t> place_of_validation(const TokenStream& train, const TokenStream& validation);

// That it does, as a sentence; "" if it does not.
std::string validation_is_trained_on(const TokenStream& train, const TokenStream& validation);

// Data that is known to be streams; throws std::logic_error for any other.
const StreamDataset& streams_of(const Dataset& data);

}  // namespace kablate
