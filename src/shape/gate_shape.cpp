#include "shape/part_shape.h"

namespace kablate {
namespace {

constexpr const char* kGatePart = "gate";

}  // namespace

PartShape gate_shape(const LayerSpec& s) {
  PartShape shape;
  if (!s.gate) return shape;
  const GateConfig& gate = *s.gate;
  const double value = value_bytes(s.compute), H = static_cast<double>(s.H);
  if (s.receives_context) shape.activations.attention_kept = value * 2 * H;
  if (s.receives_context && s.attention_adapter.rank > 0)  // the gated heads, which the adapter reads
    shape.activations.attention_kept += value * static_cast<double>(s.E);
  if (!s.makes_context) return shape;
  shape.activations.mlp_kept = static_cast<double>(gate.dim) * value + value * H;
  const std::string name = s.prefix + "mlp.";
  shape.parameters = {linear(name + "gate_proj.weight", gate.dim, s.F, kLinearDeviation, kGatePart),
                      linear(name + "gate_to_heads.weight", s.H, gate.dim, kLinearDeviation, kGatePart)};
  shape.flops_per_token = 2.0 * static_cast<double>(gate.dim * (s.F + s.H));
  if (gate.pool == GatePool::kCausalMean) shape.cache_values_fixed = gate.dim;  // the running sum
  return shape;
}

}  // namespace kablate
