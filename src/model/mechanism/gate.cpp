#include "model/mechanism/gate.h"

#include <ATen/ATen.h>

#include "model/recompute.h"

namespace kablate {

ReciprocalGate::ReciprocalGate(const LayerSpec& layer, const ParameterSet& parameters)
    : pool_(layer.gate->pool),
      proj_(parameters.map(layer.prefix + "mlp.gate_proj")),
      to_heads_(parameters.map(layer.prefix + "mlp.gate_to_heads")) {}

Tensor ReciprocalGate::make(const Tensor& u_BTF, Tensor* sum_BG, const Pass& pass) const {
  // Sums over a thousand positions in bfloat16 would lose most of their digits.
  Tensor pooled_BTG = linear(u_BTF, proj_, pass).to(statistics_type(pass));
  const Span& span = pass.span;
  if (pool_ == GatePool::kCausalMean && span.causal) {
    if (sum_BG != nullptr) *sum_BG = pooled_BTG.sum(1);
    pooled_BTG =
        at::matmul(span.keep_BT.defined() ? visible_mean(span, pooled_BTG) : pass.causal_mean_TT, pooled_BTG);
  } else if (pool_ != GatePool::kToken) {
    Tensor mean_B1G = pooled_BTG.mean(1, /*keepdim=*/true);
    if (span.keep_BT.defined()) {
      const Tensor kept_BT1 = span.keep_BT.unsqueeze(2).to(pooled_BTG.scalar_type());
      mean_B1G = (pooled_BTG * kept_BT1).sum(1, /*keepdim=*/true) / kept_BT1.sum(1, /*keepdim=*/true);
    }
    pooled_BTG = mean_B1G.expand_as(pooled_BTG);
  }
  const Tensor gate_BTH = at::sigmoid(linear(pooled_BTG, to_heads_, pass));
  if (auto* seen = pass.observed()) observe_gate(gate_BTH, *seen);
  return gate_BTH;
}

Tensor ReciprocalGate::step(const Tensor& u_B1F, std::int64_t length, Tensor& sum_BG,
                            const Pass& pass) const {
  TORCH_CHECK(pool_ != GatePool::kSequence, "a gate pooled over the whole sequence can't be decoded");
  Tensor pooled_B1G = linear(u_B1F, proj_, pass).to(statistics_type(pass));
  if (pool_ == GatePool::kCausalMean) {
    sum_BG = sum_BG.defined() ? sum_BG + pooled_B1G.squeeze(1) : pooled_B1G.squeeze(1).clone();
    pooled_B1G = sum_BG.unsqueeze(1) / length;
  }
  return at::sigmoid(linear(pooled_B1G, to_heads_, pass));
}

Tensor visible_mean(const Span& span, const Tensor& x_BTG) {
  const Tensor visible_BTT = span.visible(x_BTG.size(1), x_BTG.options().requires_grad(false));
  return visible_BTT / visible_BTT.sum(2, /*keepdim=*/true).clamp_min(1);
}

Tensor causal_mean(std::int64_t T, at::TensorOptions options) {
  options = options.requires_grad(false);
  return at::ones({T, T}, options).tril() / at::arange(1, T + 1, options).unsqueeze(1);
}

Tensor project_heads(const Tensor& heads_BTHD, const Tensor& gate_BTH, double alpha, const LinearMap& map,
                     const Pass& pass) {
  if (!gate_BTH.defined()) return linear(heads_BTHD.flatten(2), map, pass);
  const auto gated = [alpha](const Tensors& in) -> Tensors {
    return {Tensor(), apply_gate(in[0], in[1], alpha).flatten(2)};
  };
  const Tensors in = {heads_BTHD, gate_BTH};
  // An adapter reads what the map reads, which is kept then.
  if (!pass.may_recompute() || map.adapted()) return linear(gated(in)[1], map, pass);
  // All at once: a twin whose gate does nothing must have the bits of the map without one.
  return recomputed_into({.compute = gated, .inputs = in, .parameters = {}}, map.to(pass.dtype), 1)[0];
}

Tensor apply_gate(const Tensor& heads_BTHD, const Tensor& gate_BTH, double alpha) {
  return heads_BTHD * (gate_BTH * alpha + (1 - alpha)).unsqueeze(-1);
}

}  // namespace kablate
