// Means and paired differences over seeds. Knows no files and no tensors.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace kablate {

struct Interval {
  double low = 0, high = 0;
};

// Mean, and standard deviation with n - 1 in the denominator; empty with fewer than two values.
struct MeanSd {
  std::size_t n = 0;
  double mean = 0;
  std::optional<double> sd;
};

// REQUIRES: values is not empty.
MeanSd mean_sd(std::span<const double> values);

// The differences treated[i] - baseline[i] (i: the same seed), their mean and t interval: mean ± t(n-1)
// sd/√n.
struct PairedDifference {
  std::size_t n = 0;
  double mean = 0;
  std::optional<double> sd;          // with two pairs or more
  std::optional<Interval> interval;  // likewise
};

// REQUIRES: both of one length, not empty; 0 < confidence < 1.
PairedDifference paired_difference(std::span<const double> treated, std::span<const double> baseline,
                                   double confidence = 0.95);

// 100 × difference / reference: what a difference is worth in percent of the baseline's mean.
double percent_of(double difference, double reference);

// Student's t with `degrees` >= 1 of freedom, not necessarily whole: P(T <= t), and the t where it is p.
double student_t_cdf(double t, double degrees);
double student_t_quantile(double p, double degrees);

}  // namespace kablate
