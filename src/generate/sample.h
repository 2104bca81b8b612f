// Text from a model, one token after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "model/gpt.h"

namespace kablate {

struct SampleOptions {
  std::int64_t tokens = 256;  // how many to add
  double temperature = 1;     // > 0; small is near greedy
  std::int64_t top_k = 0;     // draw from the k likeliest; 0 is all
  // Then from the likeliest whose probabilities together reach this (Holtzman et al. 2020, "The Curious Case
  // of Neural Text Degeneration"); ties: the lower id. 1 is all, > 0.
  double top_p = 1;
  std::uint64_t seed = 1;
  // What may be drawn, sorted: the rest is padding, or never stood in the data.
  std::vector<std::int64_t> ids;
  std::vector<std::int64_t> stop =
      {};  // a text ends where these have been drawn one after another; empty: none
  // Whether it ends with the tokens drawn so far, for another reason than `stop`.
  std::function<bool(std::span<const std::int64_t>)> ended = {};
};

// How many of the first tokens are out of sight once there are `size`: 0 up to `context`, then half a context
// more each time the sight is full. A position's values hang on where it stands, so that a window which slid
// with every token would be computed anew for each; one that jumps is decoded from a cache, two steps a token
// at the most.
std::int64_t tokens_out_of_sight(std::int64_t size, std::int64_t context);

// `prompt` (at least one token) and what follows it; where decode.h can't decode, by full passes over the
// same window. Token n is drawn from place n of the seed's stream, so that equal calls give equal text.
// `drawn`, if any, is given each token as soon as there is one; false ends the text.
std::vector<std::int64_t> sample_tokens(const Gpt& model, std::vector<std::int64_t> prompt,
                                        std::int64_t context, c10::Device device,
                                        const SampleOptions& options,
                                        const std::function<bool(std::int64_t)>& drawn = {});

// `count` such texts side by side, a batch. Text i is drawn from a stream of its own, keyed by (seed, i), and
// the first from that of sample_tokens: neither hangs on how many there are.
std::vector<std::vector<std::int64_t>> sample_sequences(const Gpt& model,
                                                        const std::vector<std::int64_t>& prompt,
                                                        std::int64_t count, std::int64_t context,
                                                        c10::Device device, const SampleOptions& options);

// Whether the tokens end in `stop`; nothing ends in an empty one.
bool ends_in(std::span<const std::int64_t> tokens, std::span<const std::int64_t> stop);

// Of a text the tokens that can't be taken back: all but an end of them that `stop` may begin with, or that
// is `stop`.
std::int64_t tokens_before_stop(std::span<const std::int64_t> tokens, std::span<const std::int64_t> stop);

}  // namespace kablate
