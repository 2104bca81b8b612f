// What a step of decoding costs at a context, and what its cache holds there.
#pragma once

#include <cstdint>
#include <functional>

#include "generate/decode.h"

namespace kablate {

struct DecodeCost {
  std::int64_t context = 0;  // tokens of each sequence in the cache before the steps that are timed
  double ms_per_token = 0;   // of a step, which adds a token to each sequence: the median
  double tokens_per_s = 0;   // of all sequences together
  double cache_bytes = 0;    // held for all sequences, at `context`
  double fill_seconds = 0;   // that it took to get there from an empty cache
};

class DecodeBench {
 public:
  static constexpr std::int64_t kWarmup = 2, kTimed = 9;  // steps
  static constexpr std::int64_t kSteps = kWarmup + kTimed;
  static constexpr std::int64_t kMostWeights = 1 << 28;

  // For `batch` sequences. The model must outlive the object, and with learned positions have kSteps more
  // than the longest context. Throws UserError with undecodable_reason().
  DecodeBench(const Gpt& model, std::int64_t batch, c10::Device device,
              std::int64_t most_weights = kMostWeights);

  // Fills the cache with `context` tokens of each sequence and times the steps after them. An empty cache
  // gets its first tokens in one pass, as many as have at most `most_weights` [B, H, T, T] (attention written
  // out keeps them), the rest one by one. Contexts in ascending order go on from one another. `between` is
  // called now and then; it may throw to stop.
  DecodeCost time(std::int64_t context, const std::function<void()>& between);

 private:
  Tensor tokens(std::int64_t count) const;  // the next of each sequence, [B, count]: any would do

  Decoder decoder_;
  std::int64_t batch_, vocabulary_, filled_at_once_;
  c10::Device device_;
  double filled_seconds_ = 0;
};

}  // namespace kablate
