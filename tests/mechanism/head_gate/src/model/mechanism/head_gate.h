// A gate on the heads' outputs, made from the attention's own input.
#pragma once

#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

class HeadGate {
 public:
  // REQUIRES: the layer has a head gate.
  HeadGate(const LayerSpec& layer, const ParameterSet& parameters);

  // o_h[t] <- (1-α)·o_h[t] + α·σ(x[t]·head_gate)[h]·o_h[t]; o [B, T, H, D], x [B, T, E]. Of each token alone,
  // so that decoding needs no state. Or with one of three planted faults.
  Tensor apply(const Tensor& heads_BTHD, const Tensor& x_BTE, const Pass& pass) const;

 private:
  double alpha_;
  HeadGateFault fault_;
  LinearMap map_;
};

}  // namespace kablate
