#include "stats/paired.h"

#include <cassert>
#include <cmath>
#include <limits>
#include <vector>

namespace kablate {
namespace {

double two_sided_p(double mean, double sd, double root_n, double degrees) {
  if (mean == 0) return 1;
  return student_t_two_sided_p(sd == 0 ? std::numeric_limits<double>::infinity() : mean / sd * root_n,
                               degrees);
}

}  // namespace

MeanSd mean_sd(std::span<const double> values) {
  assert(!values.empty());
  const auto n = static_cast<double>(values.size());
  // Shifted by the first value, so that equal values have deviation 0 to the last bit.
  double sum = 0;
  for (const double value : values) sum += value - values.front();
  const double shift = sum / n;
  double squares = 0;
  for (const double value : values) squares += std::pow(value - values.front() - shift, 2);
  MeanSd result{values.size(), values.front() + shift, {}};
  if (values.size() > 1) result.sd = std::sqrt(squares / (n - 1));
  return result;
}

Interval t_interval(double mean, double sd, std::size_t n, double confidence) {
  const double t = student_t_quantile(0.5 + confidence / 2, static_cast<double>(n) - 1);
  const double half = t * sd / std::sqrt(static_cast<double>(n));
  return {mean - half, mean + half};
}

PairedDifference paired_difference(std::span<const double> differences, double confidence) {
  const auto [n, mean, sd] = mean_sd(differences);
  PairedDifference result{
      .n = n, .mean = mean, .sd = sd, .interval = {}, .p = {}, .effect = {}, .correlation = {}};
  if (!sd) return result;
  result.interval = t_interval(mean, *sd, n, confidence);
  result.p = two_sided_p(mean, *sd, std::sqrt(static_cast<double>(n)), static_cast<double>(n) - 1);
  if (*sd > 0) result.effect = mean / *sd;
  return result;
}

PairedDifference paired_difference(std::span<const double> treated, std::span<const double> baseline,
                                   double confidence) {
  assert(treated.size() == baseline.size());
  std::vector<double> differences;
  for (std::size_t i = 0; i < treated.size(); ++i) differences.push_back(treated[i] - baseline[i]);
  auto result = paired_difference(differences, confidence);
  result.correlation = correlation(treated, baseline);
  return result;
}

std::optional<double> correlation(std::span<const double> a, std::span<const double> b) {
  assert(a.size() == b.size());
  if (a.size() < 2) return {};
  const double mean_a = mean_sd(a).mean, mean_b = mean_sd(b).mean;
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i] - mean_a, y = b[i] - mean_b;
    ab += x * y, aa += x * x, bb += y * y;
  }
  if (aa == 0 || bb == 0) return {};
  return ab / std::sqrt(aa * bb);
}

double percent_of(double difference, double reference) { return 100 * difference / reference; }

}  // namespace kablate
