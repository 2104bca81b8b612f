// Means and paired differences over seeds. Knows no files and no tensors. Start here in stats/.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "stats/distribution.h"

namespace kablate {

// Mean, and standard deviation with n - 1 in the denominator; empty with fewer than two values.
struct MeanSd {
  std::size_t n = 0;
  double mean = 0;
  std::optional<double> sd;
};

// REQUIRES: values is not empty.
MeanSd mean_sd(std::span<const double> values);

// Differences treated[i] - baseline[i] (i: the same seed), and what Student's t says about their mean.
struct PairedDifference {
  std::size_t n = 0;
  double mean = 0;
  // With two pairs or more:
  std::optional<double> sd;
  std::optional<Interval> interval;  // mean ± t(n-1) sd/√n
  std::optional<double> p;  // two-sided, of no difference: 1 if all are 0, 0 if all are one other value
  // Likewise, unless it would divide by 0:
  std::optional<double> effect;       // d = mean / sd
  std::optional<double> correlation;  // ρ of the pairs: pairing helps where it is above 0
};

// REQUIRES: both of one length, not empty; 0 < confidence < 1.
PairedDifference paired_difference(std::span<const double> treated, std::span<const double> baseline,
                                   double confidence = 0.95);

// The same of differences that are known alone: without ρ.
PairedDifference paired_difference(std::span<const double> differences, double confidence = 0.95);

// The t interval of a mean of n >= 2 differences at another confidence.
Interval t_interval(double mean, double sd, std::size_t n, double confidence);

// Pearson's ρ; empty with fewer than two pairs, or where one side does not vary.
std::optional<double> correlation(std::span<const double> a, std::span<const double> b);

// 100 × difference / reference: what a difference is worth in percent of the baseline's mean.
double percent_of(double difference, double reference);

}  // namespace kablate
