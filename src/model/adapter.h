// Low-rank adapters beside linear maps (Hu et al. 2021, LoRA, arXiv 2106.09685, section 4.1).
//
//   y = W·x + b + scale·B·A·drop(x)
//
// W is never rebuilt: what an adapter adds is added to the product.
#pragma once

#include "model/linear.h"

namespace kablate {

// y [..., out] of x [..., in], and of `read`, x as the adapter reads it, dropped or x itself; both of `type`,
// in which it is computed. REQUIRES: the map has an adapter.
Tensor adapted(const Tensor& x, const Tensor& read, const LinearMap& map, at::ScalarType type);

// The same by LibTorch's operators one after the other: the reference, and what is taken where linear() has
// no faster way.
Tensor adapted_written_out(const Tensor& x, const Tensor& read, const LinearMap& map, at::ScalarType type);

// W + scale·B·A, of a map with or without an adapter.
Tensor effective_weight(const LinearMap& map);

}  // namespace kablate
