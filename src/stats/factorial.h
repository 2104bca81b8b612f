// Main effects and interactions of a 2^k factorial, each mechanism being a factor that is on or off.
#pragma once

#include <cstdint>
#include <vector>

#include "stats/holm.h"
#include "stats/paired.h"

namespace kablate {

// The effect of a set S of factors is, within one seed, the contrast
//   2^(1-k) Σ over cells of y[cell] · Π over i in S of (+1 where factor i is on, -1 where it is off).
// S = {A}: the mean of y where A is on minus the mean where it is off, over all settings of the other
// factors. S = {A, B}: half the difference of differences, ½ ((A's effect with B on) - (with B off)), mean
// over the rest; three factors: half of how much the third changes that. All are in the units of y, and all
// 2^k - 1 have the same standard error where the cells' noise is alike.
struct FactorialEffect {
  std::uint32_t factors = 0;  // bit i: factor i is in S
  Difference estimate;        // over seeds: its mean, interval and p; without ρ
  HolmResult holm;            // within the 2^k - 1 effects; with two seeds or more
};

// `losses[seed][cell]`, 2^k cells a seed, bit i of a cell set where factor i is on. Main effects first, then
// pairs, and so on. REQUIRES: a seed or more, k >= 1, as many cells in each.
std::vector<FactorialEffect> factorial_effects(const std::vector<std::vector<double>>& losses, double alpha,
                                               double confidence = 0.95);

}  // namespace kablate
