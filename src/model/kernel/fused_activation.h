// Activations of an MLP in one pass, and their gradients in one, by the kernels of this CPU. Float32 and
// bfloat16 on a CPU with kernels: from float64, relative to a tensor's norm, 3e-7, and in bfloat16 its
// rounding; elsewhere LibTorch's operators. Arguments may have any strides (what is not contiguous is
// copied); the result is of their shape and type, and a tensor of its own.
#pragma once

#include "model/dims.h"

namespace kablate {

// a·Φ(a) of every element, or its approximation by tanh (Hendrycks and Gimpel 2016). Kept for the backward
// pass: a. The plain reference is at::gelu.
Tensor gelu(const Tensor& a, bool tanh);

// max(a, 0)² (So et al. 2021, "Primer"). Kept: a, or max(a, 0). The plain reference is at::relu(a).square().
Tensor relu_squared(const Tensor& a);

// silu(gate) ⊙ a, silu(g) = g·σ(g) (Shazeer 2020, "GLU Variants Improve Transformer"). Kept: both. The plain
// reference is at::silu(gate) * a, which keeps silu(gate) too.
Tensor swiglu(const Tensor& a, const Tensor& gate);

}  // namespace kablate
