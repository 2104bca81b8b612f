#include "model/mechanism/head_gate.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "model/mechanism/gate.h"

namespace kablate {

HeadGate::HeadGate(const LayerSpec& layer, const ParameterSet& parameters)
    : alpha_(layer.head_gate->alpha),
      fault_(layer.head_gate->fault),
      map_(parameters.map(layer.prefix + "attn.head_gate")) {}

Tensor HeadGate::apply(const Tensor& heads_BTHD, const Tensor& x_BTE, const Pass& pass) const {
  const Tensor read_BTE = fault_ == HeadGateFault::kLeak ? x_BTE.roll(-1, 1) : x_BTE;  // the next token's
  const Tensor gated_BTHD = apply_gate(heads_BTHD, at::sigmoid(linear(read_BTE, map_, pass)), alpha_);
  if (fault_ == HeadGateFault::kDead) return heads_BTHD;
  if (fault_ == HeadGateFault::kTraining && !at::GradMode::is_enabled()) return heads_BTHD;
  return gated_BTHD;
}

}  // namespace kablate
