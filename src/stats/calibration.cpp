#include "stats/calibration.h"

#include <boost/math/distributions/binomial.hpp>

#include "base/error.h"
#include "stats/paired.h"

namespace kablate {

Calibration compare_with_itself(std::span<const double> losses, std::size_t pairs) {
  KABLATE_REQUIRE(pairs >= 2, pairs);
  Calibration result{.comparisons = losses.size() / (2 * pairs)};
  for (std::size_t i = 0; i < result.comparisons; ++i) {
    const auto both = losses.subspan(2 * pairs * i, 2 * pairs);
    const auto difference = paired_difference(both.first(pairs), both.last(pairs));
    result.rejected += *difference.p < kAlpha;
  }
  return result;
}

std::size_t harm_place(std::size_t comparison, std::size_t pair, std::size_t pairs) {
  return 2 * pairs * comparison + pair;
}

Calibration compare_with_harm(std::span<const double> losses, std::span<const double> harmed,
                              std::size_t pairs) {
  KABLATE_REQUIRE(pairs >= 2, pairs);
  Calibration result{.comparisons = harmed.size() / pairs};
  KABLATE_REQUIRE(
      result.comparisons == 0 || losses.size() >= harm_place(result.comparisons - 1, 0, pairs) + pairs,
      losses.size(), " losses for ", result.comparisons, " comparisons of ", pairs, " pairs");
  for (std::size_t i = 0; i < result.comparisons; ++i) {
    const auto baseline = losses.subspan(harm_place(i, 0, pairs), pairs);
    const auto difference = paired_difference(harmed.subspan(pairs * i, pairs), baseline);
    result.rejected += *difference.p < kAlpha && difference.mean > 0;
  }
  return result;
}

std::size_t allowed_rejections(std::size_t comparisons) {
  constexpr double kFalseAlarm = 0.02;
  const boost::math::binomial chance(static_cast<double>(comparisons), kAlpha);
  std::size_t allowed = 0;
  while (boost::math::cdf(boost::math::complement(chance, static_cast<double>(allowed))) >= kFalseAlarm)
    ++allowed;
  return allowed;
}

}  // namespace kablate
