#include "stats/factorial.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "base/error.h"

namespace kablate {
namespace {

double contrast(const std::vector<double>& cells, std::uint32_t factors) {
  double sum = 0;
  for (std::uint32_t cell = 0; cell < cells.size(); ++cell) {
    const bool negative = (std::popcount(factors & ~cell) & 1) != 0;
    sum += negative ? -cells[cell] : cells[cell];
  }
  return 2 * sum / static_cast<double>(cells.size());
}

}  // namespace

std::vector<FactorialEffect> factorial_effects(const std::vector<std::vector<double>>& losses, double alpha,
                                               double confidence) {
  KABLATE_REQUIRE(!losses.empty(), "no seed");
  KABLATE_REQUIRE(std::has_single_bit(losses.front().size()) && losses.front().size() >= 2,
                  losses.front().size(), " cells");
  std::vector<std::uint32_t> sets(losses.front().size() - 1);
  std::iota(sets.begin(), sets.end(), 1);
  std::stable_sort(sets.begin(), sets.end(),
                   [](auto a, auto b) { return std::popcount(a) < std::popcount(b); });
  std::vector<FactorialEffect> effects;
  std::vector<double> p;
  for (const auto factors : sets) {
    std::vector<double> by_seed;
    for (const auto& cells : losses) {
      KABLATE_REQUIRE(cells.size() == losses.front().size(), cells.size(), " and ", losses.front().size(),
                      " cells");
      by_seed.push_back(contrast(cells, factors));
    }
    effects.push_back({factors, paired_difference(by_seed, confidence), {}});
    if (effects.back().estimate.p) p.push_back(*effects.back().estimate.p);
  }
  const auto adjusted = holm(p, sets.size(), alpha);
  for (std::size_t i = 0; i < adjusted.size(); ++i) effects[i].holm = adjusted[i];
  return effects;
}

}  // namespace kablate
