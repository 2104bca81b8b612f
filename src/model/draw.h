// Tokens drawn for many positions at once, each by a number of its own.
#pragma once

#include "model/dims.h"

namespace kablate {

// Of each row the place, [N] int64, at which the cumulative softmax of scores [N, I], in float64, passes u
// [N], float64 in [0, 1); -inf is never drawn.
Tensor draw_rows(const Tensor& scores_NI, const Tensor& u_N);

}  // namespace kablate
