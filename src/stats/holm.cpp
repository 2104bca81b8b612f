#include "stats/holm.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace kablate {

std::vector<HolmResult> holm(std::span<const double> p, std::size_t family, double alpha) {
  KABLATE_REQUIRE(family >= p.size(), "a family of ", family, " and ", p.size(), " p");
  KABLATE_REQUIRE(alpha > 0 && alpha < 1, alpha);
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<HolmResult> results(p.size());
  double adjusted = 0;
  std::size_t rejected = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const auto left = static_cast<double>(family - rank);
    auto& result = results[order[rank]];
    adjusted = std::max(adjusted, std::min(1.0, left * p[order[rank]]));
    result.adjusted_p = adjusted;
    result.rejected = adjusted <= alpha;
    if (result.rejected) result.level = alpha / left, ++rejected;
  }
  for (auto& result : results)
    if (!result.rejected) result.level = alpha / static_cast<double>(family - rejected);
  return results;
}

}  // namespace kablate
