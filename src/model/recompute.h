// Less memory for some arithmetic: values that the backward pass makes again instead of keeping them (Chen et
// al. 2016, "Training Deep Nets with Sublinear Memory Cost"), some sequences at a time.
#pragma once

#include <functional>
#include <vector>

#include "model/dims.h"
#include "model/linear.h"

namespace kablate {

using Tensors = std::vector<Tensor>;
using TensorFunction = std::function<Tensors(const Tensors&)>;

// What is made twice. Tensors among inputs and outputs are [B, ...], some may be undefined, and no sequence
// depends on another one.
struct Remaking {
  TensorFunction make;  // must make the same numbers when called again, and not outlive what it reads
  Tensors inputs;
  Tensors parameters;     // all leaves that `make` reads by its own handles and that want a gradient, or more
  bool in_pieces = true;  // some sequences at a time, where they are many; else all at once
};

// make(inputs). Kept are the inputs.
Tensors remade(const Remaking& remaking);

// {base + scale·(v·Wᵀ + b), others...} where make(inputs) = {base, v, others...}; base may be undefined, and
// the map is of v's type. Kept are the inputs and W: the backward pass makes v again, but not its product.
Tensors remade_into(const Remaking& remaking, const LinearMap& map, double scale);

}  // namespace kablate
