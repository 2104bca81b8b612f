#include "stats/verdict.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"

namespace kablate {
namespace {

constexpr std::size_t kClaim = 8, kClaimOfMany = 10, kMany = 6;
constexpr int kDigits = 4;  // of a loss in words

// Up, so that what is said is no smaller than what was found.
std::string rounded_up(double value) {
  const double unit = std::pow(10, -kDigits);
  return fixed(std::ceil(value / unit) * unit, kDigits);
}

Verdict judge(const Difference& difference, const std::optional<HolmResult>& holm, std::size_t family,
              Better better) {
  const bool rejected = holm && holm->rejected, good = improves(difference.mean, better);
  const std::string way = good ? "better" : "worse", unpaired = difference.paired ? "" : kUnpaired;
  if (const auto needed = pairs_to_claim(family); difference.n < needed) {
    std::string text = str("not enough seeds (", difference.n, " of ", needed, ")");
    if (rejected) text += ", leans " + way;
    return {VerdictKind::kNotEnoughSeeds, text + unpaired, holm};
  }
  if (rejected) return {good ? VerdictKind::kBetter : VerdictKind::kWorse, way + unpaired, holm};
  const auto range = interval_of(difference, 1 - holm->level);
  const double larger = std::max(std::abs(range.low), std::abs(range.high));
  return {VerdictKind::kNoDifference, "no difference larger than " + rounded_up(larger) + unpaired, holm};
}

}  // namespace

std::size_t pairs_to_claim(std::size_t family) { return family > kMany ? kClaimOfMany : kClaim; }

std::vector<std::optional<Verdict>> verdicts(std::span<const std::optional<Difference>> arms, Better better) {
  std::vector<double> p;
  for (const auto& arm : arms)
    if (arm && arm->p) p.push_back(*arm->p);
  const auto tested = holm(p, arms.size(), kAlpha);
  std::vector<std::optional<Verdict>> result;
  std::size_t next = 0;
  for (const auto& arm : arms) {
    std::optional<HolmResult> own;
    if (arm && arm->p) own = tested[next++];
    result.push_back(arm ? std::optional(judge(*arm, own, arms.size(), better)) : std::nullopt);
  }
  return result;
}

}  // namespace kablate
