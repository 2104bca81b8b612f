// Layer normalisation in one pass with the sum before it and the cast after it, by the kernels of this CPU.
// The plain reference is at::layer_norm of the sum.
#pragma once

#include "model/dims.h"

namespace kablate {

struct NormedSum {
  Tensor sum;     // x + added, in the weight's type
  Tensor normed;  // (sum - mean)/sqrt(variance + epsilon)·weight + bias over the last dimension, in `type`
};

// x [..., E] and added the same, or undefined for x alone; weight [E], bias [E] or undefined; of any strides
// (what is not contiguous is copied). `normed` is a tensor of its own; `sum` too, but it is x where nothing
// is added. Float32 weights on a CPU with kernels: values and gradients from float64, relative to a tensor's
// norm, 1e-6, 1e-5 where the mean is 30 times the deviation or rows have fewer than 8 numbers; bfloat16
// results 3e-3. A variance beyond float32 makes NaN. Elsewhere at::layer_norm. Shapes that don't fit are a
// c10::Error naming them.
NormedSum add_layer_norm(const Tensor& x, const Tensor& added, const Tensor& weight, const Tensor& bias,
                         double epsilon, at::ScalarType type);

}  // namespace kablate
