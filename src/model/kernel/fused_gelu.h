// GELU in one pass with its gradient, by the kernels of this CPU. The plain reference is at::gelu.
#pragma once

#include "model/dims.h"

namespace kablate {

// a·Φ(a), or its approximation by tanh, of every element; of a's shape and type, and a tensor of its own. `a`
// may have any strides (one that is not contiguous is copied). Float32 and bfloat16 on a CPU with kernels:
// from float64, relative to a tensor's norm, 3e-7, and in bfloat16 its rounding; elsewhere at::gelu.
Tensor gelu(const Tensor& a, bool tanh);

}  // namespace kablate
