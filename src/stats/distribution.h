// The distributions that the statistics here rest on, by Boost.Math. They agree with SciPy's to 1e-9
// (tests/stats/scipy_test.cpp).
#pragma once

#include <cstddef>

namespace kablate {

struct Interval {
  double low = 0, high = 0;
};

// Student's t with `degrees` >= 1 of freedom, not necessarily whole: P(T <= t), the t where it is p, and
// P(|T| >= |t|).
double student_t_cdf(double t, double degrees);
double student_t_quantile(double p, double degrees);
double student_t_two_sided_p(double t, double degrees);

// P(T > t) of the non-central t: (Z + noncentrality) / √(χ²(degrees) / degrees), Z normal.
double noncentral_t_tail(double t, double degrees, double noncentrality);

// The interval of a standard deviation of n >= 2 normal values whose sample has `sd`: sd √((n-1) / χ²) with
// the quantiles of χ²(n-1) at (1 ± confidence) / 2.
Interval sd_interval(double sd, std::size_t n, double confidence = 0.95);

}  // namespace kablate
