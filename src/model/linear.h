// Linear layers, by whichever of LibTorch's libraries multiplies fastest on this device.
#pragma once

#include <string>

#include "model/dims.h"

namespace kablate {

// What is added to a linear map (model/adapter.h); undefined maps: nothing.
struct Adapter {
  Tensor A, B;  // [rank, in], [out, rank]
  double scale = 1, dropout = 0;
  std::string site;  // of its dropout
};

struct LinearMap {
  Tensor weight, bias;  // [out, in]; [out] or undefined
  Adapter adapter = {};

  bool adapted() const { return adapter.A.defined(); }
  LinearMap to(at::ScalarType type) const {
    const auto cast = [type](const Tensor& x) { return x.defined() ? x.to(type) : x; };
    LinearMap map{cast(weight), cast(bias), adapter};
    map.adapter.A = cast(adapter.A), map.adapter.B = cast(adapter.B);
    return map;
  }
};

// x [..., E] as [N, E].
inline Tensor rows_of(const Tensor& x) { return x.reshape({-1, x.size(-1)}); }

// x·Wᵀ + b computed in `type`; x [..., in], W [out, in], b [out] or undefined. Float32 on a CPU goes through
// oneDNN instead of MKL (which keeps to AVX2 on CPUs that are not Intel's, and scales worse), but for
// gradients of small weights: the same sums in another order, 3e-7 from float64 relative to a tensor's norm,
// as at::linear. Fewer than 16 rows, other types, other devices and KERNELS = portable take at::linear; one
// row on a CPU without gradients, as in decoding, takes at::mv. The same bits whenever called with the same
// values and number of threads, with gradients or without them but for that one row.
Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, at::ScalarType type);

// The three products of a linear layer without their gradients, all of one type: x [M, in], W [out, in],
// grad_output [M, out].
Tensor linear_values(const Tensor& x_MK, const Tensor& weight_NK, const Tensor& bias_N);  // x·Wᵀ + b
Tensor linear_input_gradient(const Tensor& grad_output_MN, const Tensor& weight_NK);      // grad_output·W
Tensor linear_weight_gradient(const Tensor& grad_output_MN, const Tensor& x_MK);          // grad_outputᵀ·x

}  // namespace kablate
