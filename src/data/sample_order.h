// Which window of a token stream sample number g is (spec, section 4): a function of (data seed, g), of
// nothing else. g counts sequences over the whole run: iteration x global batch + index
// within it. Let N be the tokens and T the context. Epoch e has n = floor((N - T) / T)
// windows of T tokens, which start at a keyed offset o_e in [0, T) and follow one another; a
// keyed permutation says in which order. Each window needs one more token, the last target.
#pragma once

#include <cstdint>
#include <vector>

#include "config/data_options.h"

namespace kablate {

class SampleOrder {
 public:
  // REQUIRES: num_tokens >= 2 * context, else UserError.
  SampleOrder(std::uint64_t seed, std::int64_t num_tokens, std::int64_t context);

  std::int64_t windows_per_epoch() const { return windows_; }  // n
  std::int64_t context() const { return context_; }            // T

  // The first tokens of samples first, first + 1, …: inputs
  // are [start, start + T), targets [start + 1, start + T].
  std::vector<std::int64_t> starts(std::uint64_t first, std::int64_t count) const;

 private:
  std::uint64_t seed_;
  std::int64_t context_, windows_;
};

// The same where sequences are there as such, `size` of them: each once an epoch, in a keyed order.
std::vector<std::int64_t> keyed_sequences(std::uint64_t seed, std::int64_t size, std::uint64_t first,
                                          std::int64_t count);

// DATA_SEED, or the trial's seed where that is 0.
std::uint64_t data_seed(const DataConfig& data, std::int64_t trial_seed);

// Which of a split's windows an evaluation reads: of w, the k = min(samples, w) with numbers floor(j w / k);
// 0 samples is all. The same for every trial.
std::vector<std::int64_t> evaluation_windows(std::int64_t num_windows, std::int64_t samples);

}  // namespace kablate
