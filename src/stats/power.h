// What a number of seeds can find: the power of the two-sided paired t test, by the non-central t.
#pragma once

#include <cstddef>

namespace kablate {

constexpr double kUsualPower = 0.8;

// The chance that n >= 2 pairs whose differences have mean d × their sd reject "no difference" at alpha.
double paired_t_power(double d, std::size_t n, double alpha);

// The least d > 0 that n >= 2 pairs find with this chance. In nats: times the differences' sd.
double smallest_effect(std::size_t n, double alpha, double power = kUsualPower);

// The least n that finds d > 0 with this chance: at alpha = .05/6 it is 16, 9, 7, 5 for d = 1, 1.5, 2, 3.
std::size_t least_pairs(double d, double alpha, double power = kUsualPower);

}  // namespace kablate
