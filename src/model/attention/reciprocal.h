// Reciprocal attention's term, for the reference and the kernels.
#pragma once

#include <cstdint>

namespace kablate {

// Reciprocal attention (spec, section 2): inside the band 0 <= t-s <= window,
// Z[t,s] <- Z[t,s] + alpha · Z[s,t], from the scores before the addition.
struct Reciprocal {
  double alpha = 0;  // 0 is off
  std::int64_t window = 0;
};

}  // namespace kablate
