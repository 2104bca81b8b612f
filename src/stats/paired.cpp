#include "stats/paired.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"

namespace kablate {
namespace {

double two_sided_p(double mean, double sd, double root_n, double degrees) {
  if (mean == 0) return 1;
  return student_t_two_sided_p(sd == 0 ? std::numeric_limits<double>::infinity() : mean / sd * root_n,
                               degrees);
}

void require_confidence(double confidence) { KABLATE_REQUIRE(confidence > 0 && confidence < 1, confidence); }

}  // namespace

MeanSd mean_sd(std::span<const double> values) {
  KABLATE_REQUIRE(!values.empty(), "no value");
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
  KABLATE_REQUIRE(n >= 2, "n = ", n);
  require_confidence(confidence);
  const double t = student_t_quantile(0.5 + confidence / 2, static_cast<double>(n) - 1);
  const double half = t * sd / std::sqrt(static_cast<double>(n));
  return {mean - half, mean + half};
}

Difference paired_difference(std::span<const double> differences, double confidence) {
  require_confidence(confidence);
  const auto [n, mean, sd] = mean_sd(differences);
  Difference result;
  result.n = n, result.mean = mean, result.sd = sd;
  if (!sd) return result;
  const double root_n = std::sqrt(static_cast<double>(n)), degrees = static_cast<double>(n) - 1;
  result.standard_error = *sd / root_n, result.degrees = degrees;
  result.interval = interval_of(result, confidence);
  result.p = two_sided_p(mean, *sd, root_n, degrees);
  if (*sd > 0) result.effect = mean / *sd;
  return result;
}

Difference paired_difference(std::span<const double> treated, std::span<const double> baseline,
                             double confidence) {
  KABLATE_REQUIRE(treated.size() == baseline.size(), treated.size(), " and ", baseline.size());
  std::vector<double> differences;
  for (std::size_t i = 0; i < treated.size(); ++i) differences.push_back(treated[i] - baseline[i]);
  auto result = paired_difference(differences, confidence);
  if (result.n >= kLeastForCorrelation) result.correlation = correlation(treated, baseline);
  return result;
}

Difference unpaired_difference(std::span<const double> treated, std::span<const double> other,
                               double confidence) {
  require_confidence(confidence);
  const auto a = mean_sd(treated), b = mean_sd(other);
  Difference result;
  result.n = std::min(a.n, b.n), result.mean = a.mean - b.mean, result.paired = false;
  if (!a.sd || !b.sd) return result;
  const auto n = static_cast<double>(a.n), m = static_cast<double>(b.n);
  const double part_a = *a.sd * *a.sd / n, part_b = *b.sd * *b.sd / m, sum = part_a + part_b;
  result.sd = std::hypot(*a.sd, *b.sd), result.standard_error = std::sqrt(sum);
  // Where neither side varies any number of degrees gives the same.
  result.degrees = sum == 0 ? n + m - 2 : sum * sum / (part_a * part_a / (n - 1) + part_b * part_b / (m - 1));
  result.interval = interval_of(result, confidence);
  result.p = two_sided_p(result.mean, *result.standard_error, 1, *result.degrees);
  if (*result.sd > 0) result.effect = result.mean / *result.sd;
  return result;
}

Interval interval_of(const Difference& difference, double confidence) {
  KABLATE_REQUIRE(difference.standard_error && difference.degrees, "n = ", difference.n);
  if (difference.paired) return t_interval(difference.mean, *difference.sd, difference.n, confidence);
  require_confidence(confidence);
  const double half =
      student_t_quantile(0.5 + confidence / 2, *difference.degrees) * *difference.standard_error;
  return {difference.mean - half, difference.mean + half};
}

std::optional<double> correlation(std::span<const double> a, std::span<const double> b) {
  KABLATE_REQUIRE(a.size() == b.size(), a.size(), " and ", b.size());
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
