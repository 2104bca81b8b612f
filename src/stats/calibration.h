// Whether the paired t test keeps its promise on this data: the same arm against itself must be told apart no
// more often than chance says, and a harm that was planted must be found.
#pragma once

#include <cstddef>
#include <span>

#include "stats/verdict.h"

namespace kablate {

struct Calibration {
  std::size_t comparisons = 0;
  std::size_t rejected = 0;  // with p < kAlpha
};

// A/A: `losses` of one arm under different seeds, in the order of the seeds, cut into ⌊n / 2P⌋ comparisons of
// P = `pairs` disjoint pairs: comparison i pairs loss 2Pi + j with loss 2Pi + P + j, 0 <= j < P. What is left
// over is not used. REQUIRES: pairs >= 2.
Calibration compare_with_itself(std::span<const double> losses, std::size_t pairs);

// Where in `losses` the pairs of the planted harm's comparison i have their baseline: at 2Pi + j.
std::size_t harm_place(std::size_t comparison, std::size_t pair, std::size_t pairs);

// A planted harm: `harmed` holds P losses a comparison, each paired with the baseline's loss of the same seed
// (harm_place). `rejected` counts those found: p < kAlpha, and the mean is worse.
// REQUIRES: pairs >= 2; losses reach as far as harm_place asks.
Calibration compare_with_harm(std::span<const double> losses, std::span<const double> harmed,
                              std::size_t pairs);

// The number of rejections that so many A/A comparisons exceed by chance alone in fewer than 2 of 100 cases
// (binomial with kAlpha): 5 of 40, 1 of 4.
std::size_t allowed_rejections(std::size_t comparisons);

}  // namespace kablate
