#include "model/mechanism/gate.h"

#include <ATen/ATen.h>

namespace kablate {

ReciprocalGate::ReciprocalGate(const GateConfig& config, const ParameterSet& parameters,
                               const std::string& prefix)
    : pool_(config.pool),
      proj_(parameters[prefix + "gate_proj.weight"]),
      to_heads_(parameters[prefix + "gate_to_heads.weight"]) {}

Tensor ReciprocalGate::make(const Tensor& u_BTF, const Pass& pass) const {
  // Sums over a thousand positions in bfloat16 would lose most of their digits.
  Tensor pooled_BTG = linear(u_BTF, proj_, {}, pass).to(statistics_type(pass));
  const std::int64_t T = u_BTF.size(1);
  if (pool_ == GatePool::kCausalMean) {
    // A product with a triangle of 1/(t+1): the running sum has no deterministic kernel on a GPU.
    const Tensor count_T1 = at::arange(1, T + 1, pooled_BTG.options()).unsqueeze(1);
    const Tensor mean_TT = at::ones({T, T}, pooled_BTG.options()).tril() / count_T1;
    pooled_BTG = at::matmul(mean_TT, pooled_BTG);
  } else if (pool_ == GatePool::kSequence) {
    pooled_BTG = pooled_BTG.mean(1, /*keepdim=*/true).expand_as(pooled_BTG);
  }
  const Tensor gate_BTH = at::sigmoid(linear(pooled_BTG, to_heads_, {}, pass));
  if (auto* seen = pass.observed()) observe_gate(gate_BTH, *seen);
  return gate_BTH;
}

Tensor ReciprocalGate::step(const Tensor& u_B1F, std::int64_t length, Tensor& sum_BG,
                            const Pass& pass) const {
  TORCH_CHECK(pool_ != GatePool::kSequence, "a gate pooled over the whole sequence can't be decoded");
  Tensor pooled_B1G = linear(u_B1F, proj_, {}, pass).to(statistics_type(pass));
  if (pool_ == GatePool::kCausalMean) {
    sum_BG = sum_BG.defined() ? sum_BG + pooled_B1G.squeeze(1) : pooled_B1G.squeeze(1).clone();
    pooled_B1G = sum_BG.unsqueeze(1) / length;
  }
  return at::sigmoid(linear(pooled_B1G, to_heads_, {}, pass));
}

Tensor apply_gate(const Tensor& heads_BTHD, const Tensor& gate_BTH, double alpha) {
  return heads_BTHD * (gate_BTH * alpha + (1 - alpha)).unsqueeze(-1);
}

}  // namespace kablate
