// What a table may say about its arms, in words. One rule for all: the paired t test at Holm's level within
// the family of the arms that were planned.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stats/holm.h"
#include "stats/paired.h"

namespace kablate {

constexpr double kAlpha = 0.05;

// The pairs that a claim needs: 8, or 10 where the family has more than 6 arms. Fewer are a screening.
std::size_t pairs_to_claim(std::size_t family);

enum class VerdictKind { kBetter, kWorse, kNoDifference, kNotEnoughSeeds };

struct Verdict {
  VerdictKind kind = VerdictKind::kNotEnoughSeeds;
  // "better", "worse", "no difference larger than 0.0123" (nats, rounded up: the end of the interval at
  // Holm's level that is farther from 0), "not enough seeds (3 of 8)", and after that ", leans better" or ",
  // leans worse" where Holm's procedure rejects already.
  std::string text;
  std::optional<HolmResult> holm;  // with two pairs or more
};

// The verdict on each arm of a family of validation losses (less is better), in their order. `arms` holds
// every arm planned that is neither baseline, control nor rerun; an arm without a difference (nothing
// finished, diverged, blocked) is empty, keeps its place in the family, and gets no verdict.
std::vector<std::optional<Verdict>> verdicts(std::span<const std::optional<PairedDifference>> arms);

}  // namespace kablate
