#include "stats/paired.h"

#include <cassert>
#include <cmath>
#include <vector>

#include <boost/math/distributions/students_t.hpp>

namespace kablate {

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

PairedDifference paired_difference(std::span<const double> treated, std::span<const double> baseline,
                                   double confidence) {
  assert(treated.size() == baseline.size());
  std::vector<double> differences;
  for (std::size_t i = 0; i < treated.size(); ++i) differences.push_back(treated[i] - baseline[i]);
  const auto [n, mean, sd] = mean_sd(differences);
  PairedDifference result{n, mean, sd, {}};
  if (sd) {
    const double t = student_t_quantile(0.5 + confidence / 2, static_cast<double>(n) - 1);
    const double half = t * *sd / std::sqrt(static_cast<double>(n));
    result.interval = Interval{mean - half, mean + half};
  }
  return result;
}

double percent_of(double difference, double reference) { return 100 * difference / reference; }

double student_t_cdf(double t, double degrees) {
  return boost::math::cdf(boost::math::students_t(degrees), t);
}

double student_t_quantile(double p, double degrees) {
  return boost::math::quantile(boost::math::students_t(degrees), p);
}

}  // namespace kablate
