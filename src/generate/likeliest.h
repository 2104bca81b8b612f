// Which tokens may be drawn.
#pragma once

#include <cstdint>

#include "model/dims.h"

namespace kablate {

// Scores [..., I] with -inf where a token is none of the `top_k` likeliest (0 is all; equal ones stay), and
// then none of the likeliest whose probabilities together reach `top_p` (Holtzman et al. 2020, "The Curious
// Case of Neural Text Degeneration"; ties: the lower place; 1 is all).
Tensor likeliest(const Tensor& scores, std::int64_t top_k, double top_p);

}  // namespace kablate
