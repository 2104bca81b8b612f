#include "stats/power.h"

#include <cmath>

#include <boost/math/tools/toms748_solve.hpp>

#include "base/error.h"
#include "stats/distribution.h"

namespace kablate {

double paired_t_power(double d, std::size_t n, double alpha) {
  KABLATE_REQUIRE(n >= 2 && alpha > 0 && alpha < 1, "n = ", n, ", alpha = ", alpha);
  const auto degrees = static_cast<double>(n) - 1;
  const double critical = student_t_quantile(1 - alpha / 2, degrees);
  const double noncentrality = d * std::sqrt(static_cast<double>(n));
  // The estimated sd is never this many times the true one, and Boost's series end before such values.
  if (noncentrality > 10 * critical + 50) return 1;
  return noncentral_t_tail(critical, degrees, noncentrality) +
         noncentral_t_tail(critical, degrees, -noncentrality);  // the lower tail, by symmetry
}

double smallest_effect(std::size_t n, double alpha, double power) {
  KABLATE_REQUIRE(power > alpha && power < 1, "power = ", power, ", alpha = ", alpha);
  double high = 1;
  while (paired_t_power(high, n, alpha) < power) high *= 2;
  std::uintmax_t steps = 200;
  const auto [low, up] =
      boost::math::tools::toms748_solve([&](double d) { return paired_t_power(d, n, alpha) - power; }, 0.0,
                                        high, boost::math::tools::eps_tolerance<double>(40), steps);
  return (low + up) / 2;
}

std::size_t least_pairs(double d, double alpha, double power) {
  KABLATE_REQUIRE(d > 0, "d = ", d);
  std::size_t high = 2;
  while (paired_t_power(d, high, alpha) < power) high *= 2;
  std::size_t low = high / 2;  // not enough, or 1
  while (high - low > 1) {
    const auto middle = (low + high) / 2;
    (paired_t_power(d, middle, alpha) < power ? low : high) = middle;
  }
  return high;
}

}  // namespace kablate
