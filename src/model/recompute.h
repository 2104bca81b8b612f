// Less memory for some arithmetic: values that the backward pass recomputes instead of keeping them (Chen
// et al. 2016, "Training Deep Nets with Sublinear Memory Cost"), some sequences at a time.
#pragma once

#include <functional>
#include <vector>

#include "model/dims.h"
#include "model/linear.h"

namespace kablate {

using Tensors = std::vector<Tensor>;
using TensorFunction = std::function<Tensors(const Tensors&)>;

// What is computed twice. Tensors among inputs and outputs are [B, ...], some may be undefined, and no
// sequence depends on another one.
struct Recomputation {
  TensorFunction compute;  // must give the same numbers when called again, and not outlive what it reads
  Tensors inputs;
  Tensors parameters;  // all leaves that `compute` reads by its own handles and that want a gradient, or more
  // Of the backward pass: some sequences [B, T, ...] at a time, of at least so many positions; 0: all at
  // once.
  std::int64_t rows = 0;
};

// compute(inputs). Kept are the inputs.
Tensors recomputed(const Recomputation& recomputation);

// {base + scale·(v·Wᵀ + b), others...} where compute(inputs) = {base, v, others...}; base may be undefined,
// and the map is of v's type. Kept are the inputs and W: the backward pass recomputes v, but not its product.
Tensors recomputed_into(const Recomputation& recomputation, const LinearMap& map, double scale);

}  // namespace kablate
