// What a table may say about its arms, in words. One rule for all: the t test of a difference (paired, or
// Welch's where it is not) at Holm's level within the family of the arms that were planned.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/direction.h"
#include "stats/holm.h"
#include "stats/paired.h"

namespace kablate {

constexpr double kAlpha = 0.05;

// The pairs that a claim needs: 8, or 10 where the family has more than 6 arms. Fewer are a screening.
std::size_t pairs_to_claim(std::size_t family);

// kWithheld is never found here: a table whose trials can't be believed puts it in the place of all.
enum class VerdictKind { kBetter, kWorse, kNoDifference, kNotEnoughSeeds, kWithheld };

// What a verdict on an unpaired difference ends in.
constexpr const char* kUnpaired = " (unpaired)";

struct Verdict {
  VerdictKind kind = VerdictKind::kNotEnoughSeeds;
  // "better", "worse", "no difference larger than 0.0123" (nats, rounded up: the end of the interval at
  // Holm's level that is farther from 0), "not enough seeds (3 of 8)", and after that ", leans better" or ",
  // leans worse" where Holm's procedure rejects already; last kUnpaired where the difference is that.
  std::string text;
  std::optional<HolmResult> holm;  // with two pairs or more
};

// The verdict on each arm of a family, in their order; `better`: which way the measure is good. `arms` holds
// every arm planned that is neither baseline, control nor rerun; an arm without a difference (nothing
// finished, diverged, blocked) is empty, keeps its place in the family, and gets no verdict.
std::vector<std::optional<Verdict>> verdicts(std::span<const std::optional<Difference>> arms,
                                             Better better = Better::kLess);

}  // namespace kablate
