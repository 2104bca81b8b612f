// Layer normalisation and RMSNorm in one pass with the sum before it and the cast after it, by the kernels of
// this CPU. The plain references are at::layer_norm and at::rms_norm of the sum.
#pragma once

#include "config/model_options.h"
#include "model/dims.h"

namespace kablate {

// (s - mean)/sqrt(variance + epsilon)·weight + bias over the last dimension; of kRmsNorm
// s/sqrt(mean of s² + epsilon)·weight.
struct NormFunction {
  NormKind kind = NormKind::kLayerNorm;
  Tensor weight, bias;  // [E], in the type of statistics; undefined: 1 and 0
  double epsilon = 1e-5;
};

struct NormedSum {
  Tensor sum;     // x + added, in float32, or float64 where x is
  Tensor normed;  // the norm of the sum, in `type`
};

// x [..., E] and added the same, or undefined for x alone; of any strides (what is not contiguous is copied).
// `normed` is a tensor of its own; `sum` too, but it is x where nothing is added. Float32 on a CPU with
// kernels: values and gradients from float64, relative to a tensor's norm, 1e-6, 1e-5 where the mean is 30
// times the deviation or rows have fewer than 8 numbers; bfloat16 results 3e-3. A variance beyond float32
// makes NaN. Elsewhere LibTorch's. Shapes that don't fit are a c10::Error naming them.
NormedSum add_norm(const Tensor& x, const Tensor& added, const NormFunction& norm, at::ScalarType type);

}  // namespace kablate
