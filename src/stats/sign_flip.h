// The sign-flip test of paired differences: no distribution is assumed, only that under "no difference" each
// one's sign is a coin's (Fisher 1935).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace kablate {

constexpr std::size_t kMostEnumerated = 20;       // pairs; beyond, assignments of signs are sampled
constexpr std::int64_t kSignFlipDraws = 100'000;  // then

struct SignFlip {
  double p = 1;                  // two-sided: how often |Σ ± difference| is as large as |Σ difference|
  bool exact = true;             // every assignment was counted; else p = (1 + found) / (1 + draws)
  std::int64_t assignments = 0;  // counted: 2^n, or the draws
};

// REQUIRES: differences is not empty. The draws are keyed: equal differences give equal p.
SignFlip sign_flip(std::span<const double> differences);

// The least p that n pairs can give: 2/2^n (.25 at 3, .0625 at 5, .0078 at 8), or 1 / (1 + draws).
double least_sign_flip_p(std::size_t n);

}  // namespace kablate
