#include "stats/distribution.h"

#include <cmath>

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>

#include "base/error.h"

namespace kablate {

double student_t_cdf(double t, double degrees) {
  return boost::math::cdf(boost::math::students_t(degrees), t);
}

double student_t_quantile(double p, double degrees) {
  return boost::math::quantile(boost::math::students_t(degrees), p);
}

double student_t_two_sided_p(double t, double degrees) {
  if (std::isinf(t)) return 0;
  return 2 * boost::math::cdf(boost::math::students_t(degrees), -std::abs(t));
}

double noncentral_t_tail(double t, double degrees, double noncentrality) {
  return boost::math::cdf(boost::math::complement(boost::math::non_central_t(degrees, noncentrality), t));
}

Interval sd_interval(double sd, std::size_t n, double confidence) {
  KABLATE_REQUIRE(n >= 2 && confidence > 0 && confidence < 1, "n = ", n, ", confidence = ", confidence);
  const auto degrees = static_cast<double>(n) - 1;
  const boost::math::chi_squared squares(degrees);
  const double tail = (1 - confidence) / 2;
  return {sd * std::sqrt(degrees / boost::math::quantile(boost::math::complement(squares, tail))),
          sd * std::sqrt(degrees / boost::math::quantile(squares, tail))};
}

}  // namespace kablate
