// Text from a model, one token after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/gpt.h"

namespace kablate {

struct SampleOptions {
  std::int64_t tokens = 256;  // how many to add
  double temperature = 1;     // > 0; small is near greedy
  std::int64_t top_k = 0;     // draw from the k likeliest; 0 is all
  std::uint64_t seed = 1;
  std::int64_t vocabulary = 0;  // ids from here on are padding and never drawn
};

// `prompt` (at least one token) and what follows it. The last `context` tokens are what the model sees: up to
// there it decodes from a cache, beyond it every position changes with each token and all are computed anew
// (as they always are where decode.h can't decode). Token
// n is drawn from place n of the seed's stream, so that equal calls give equal text. `between`, if any, is
// called before each token; it may throw to stop.
std::vector<std::int64_t> sample_tokens(const Gpt& model, std::vector<std::int64_t> prompt,
                                        std::int64_t context, c10::Device device,
                                        const SampleOptions& options,
                                        const std::function<void()>& between = {});

}  // namespace kablate
