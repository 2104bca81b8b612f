// Means and differences over seeds, paired or not. Knows no files and no tensors. Start here in stats/.
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

// A difference of two sides' means, and what Student's t says about it.
//   paired     of differences treated[i] - other[i] (i: the same seed), by their spread;
//   unpaired   of two samples that have nothing in common, by the spread of each (Welch 1947).
struct Difference {
  std::size_t n = 0;  // pairs; unpaired: values of the smaller side
  double mean = 0;
  bool paired = true;
  // With two pairs, or two values a side, or more:
  std::optional<double> sd;  // of the differences; unpaired: √(sd² + sd²), of two values of different seeds
  std::optional<double> standard_error;  // of the mean: sd/√n; unpaired: √(sd²/n + sd²/n)
  std::optional<double> degrees;         // of freedom: n - 1; unpaired: Welch's and Satterthwaite's
  std::optional<Interval> interval;      // mean ± t(degrees) standard_error
  std::optional<double> p;  // two-sided, of no difference: 1 if all are 0, 0 if all are one other value
  // Likewise, unless it would divide by 0:
  std::optional<double> effect;  // d = mean / sd
  // ρ of kLeastForCorrelation pairs or more: pairing helps where it is > 0.
  std::optional<double> correlation;
};

// Of fewer pairs ρ says nothing: of two it is 1 or -1 whatever they are.
constexpr std::size_t kLeastForCorrelation = 4;

// REQUIRES: both of one length, not empty; 0 < confidence < 1.
Difference paired_difference(std::span<const double> treated, std::span<const double> baseline,
                             double confidence = 0.95);

// The same of differences that are known alone: without ρ.
Difference paired_difference(std::span<const double> differences, double confidence = 0.95);

// Of the means of two samples. REQUIRES: neither is empty; 0 < confidence < 1.
Difference unpaired_difference(std::span<const double> treated, std::span<const double> other,
                               double confidence = 0.95);

// A difference's interval at another confidence. REQUIRES: it has one.
Interval interval_of(const Difference& difference, double confidence);

// The t interval of a mean of n >= 2 differences at another confidence.
Interval t_interval(double mean, double sd, std::size_t n, double confidence);

// Pearson's ρ; empty with fewer than two pairs, or where one side does not vary. REQUIRES: both of one
// length.
std::optional<double> correlation(std::span<const double> a, std::span<const double> b);

// 100 × difference / reference: what a difference is worth in percent of the baseline's mean.
double percent_of(double difference, double reference);

}  // namespace kablate
