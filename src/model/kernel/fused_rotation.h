// What heads of queries and keys go through before they are scored, in one step: a norm of each (Dehghani et
// al. 2023, "Scaling Vision Transformers to 22 Billion Parameters", section 2), and the rotation by their
// position (Su et al. 2021, "RoFormer").
#pragma once

#include <cstdint>

#include "model/dims.h"

namespace kablate {

// Of each position and channel pair, cos and sin of its angle: [T, R/2], float32, or float64 in a float64
// pass.
struct Rotation {
  Tensor cos_TP, sin_TP;  // undefined: nothing is rotated

  bool defined() const { return cos_TP.defined(); }
};

// Of the T positions from `first` on: angle t·base^(-2i/R) of pair i, computed in float64. R is even.
Rotation make_rotation(std::int64_t first, std::int64_t T, std::int64_t R, double base,
                       const at::TensorOptions& options);

struct HeadsOptions {
  std::int64_t turned = 0;  // the first so many heads: queries and keys. The others stay as they are.
  Rotation rotation = {};
  bool norm = false;  // RMSNorm without parameters of each of those heads, before the rotation
};

// x [B, T, J, D] with the first heads normed and their last R channels rotated, pairs (i, i + R/2):
//
//   y[i] = x[i]·cos - x[i + R/2]·sin,   y[i + R/2] = x[i + R/2]·cos + x[i]·sin
//
// The values are those of LibTorch's operations in float32 (float64 in a float64 pass), rounded to x's type
// at the end. Without a norm the memory of x, where it is dense, becomes the result's: nothing may read x
// afterwards, the backward pass of what made it neither (that of a linear map does not).
Tensor prepared_heads(const Tensor& x_BTJD, const HeadsOptions& options);

}  // namespace kablate
