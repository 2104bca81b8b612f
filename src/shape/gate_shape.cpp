#include "shape/part_shape.h"

namespace kablate {

PartShape gate_shape(const LayerShape& s) {
  PartShape shape;
  const auto& gate = s.config.gate;
  if (!gate.enabled || !s.makes_context) return shape;
  const std::string name = s.prefix + "mlp.";
  shape.parameters = {linear(name + "gate_proj.weight", gate.dim, s.F, kLinearDeviation, Part::kGate),
                      linear(name + "gate_to_heads.weight", s.H, gate.dim, kLinearDeviation, Part::kGate)};
  shape.flops_per_token = 2.0 * static_cast<double>(gate.dim * (s.F + s.H));
  if (gate.pool == GatePool::kCausalMean) shape.cache_values_fixed = gate.dim;  // the running sum
  return shape;
}

}  // namespace kablate
