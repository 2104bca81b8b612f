#include "shape/part_shape.h"

namespace kablate {

PartShape head_gate_shape(const LayerSpec& s) {
  PartShape shape;
  if (!s.head_gate || s.attention == AttentionKind::kNone) return shape;
  const double value = value_bytes(s.compute), E = static_cast<double>(s.E), H = static_cast<double>(s.H);
  shape.parameters = {linear(s.prefix + "attn.head_gate.weight", s.H, s.E, kLinearDeviation, "head_gate")};
  shape.flops_per_token = 2 * E * H;
  shape.activations.attention_kept = value * (E + 2 * H);  // the heads before it, the gate and its factor
  return shape;
}

}  // namespace kablate
