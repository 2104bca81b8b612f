#include "shape/part_shape.h"

namespace kablate {
namespace {

ActivationBytes activations(const LayerSpec& s) {
  const double value = value_bytes(s.compute), F = static_cast<double>(s.F), E = static_cast<double>(s.E);
  ActivationBytes bytes;
  // Before and after the activation, or after the mechanisms; what lies between is recomputed.
  bytes.mlp_kept = norm_kept_bytes(s) + 2 * value * F;
  bytes.mlp_passing = 2 * value * F + 2 * kFloatBytes * E;
  if (s.compute.recompute) {
    bytes.mlp_kept -= 2 * value * F;
    bytes.mlp_recomputed += 4 * value * F;
    bytes.mlp_passing -= 2 * value * F;
  }
  if (s.compute.dropout > 0) bytes.mlp_kept += 2 * value * E;  // both parts' masks
  return bytes;
}

}  // namespace

PartShape mlp_shape(const LayerSpec& s) {
  PartShape shape;
  if (s.F == 0) return shape;
  const std::string name = s.prefix + "mlp.";
  shape.parameters.push_back(linear(name + "c_fc.weight", s.F, s.E, kLinearDeviation, Part::kMlp));
  if (s.bias) shape.parameters.push_back(constant(name + "c_fc.bias", s.F, 0, Part::kMlp));
  shape.parameters.push_back(linear(name + "c_proj.weight", s.E, s.F, s.residual_deviation, Part::kMlp));
  if (s.bias) shape.parameters.push_back(constant(name + "c_proj.bias", s.E, 0, Part::kMlp));
  shape.activations = activations(s);
  shape.flops_per_token = 4.0 * static_cast<double>(s.E * s.F);
  return shape;
}

PartShape norms_shape(const LayerSpec& s) {
  PartShape shape;
  const bool second = s.norm_placement == NormPlacement::kHybrid;
  const auto add = [&](const char* key) {
    shape.parameters.push_back(constant(s.prefix + key + ".weight", s.E, 1, Part::kNorm));
    if (s.bias) shape.parameters.push_back(constant(s.prefix + key + ".bias", s.E, 0, Part::kNorm));
  };
  if (s.attention !=
      AttentionKind::kNone) {  // without an attention nothing reads its norm, nor without an MLP
    add("ln_1");
    if (second) add("ln_1_post");
  }
  if (s.F == 0) return shape;
  add("ln_2");
  if (second) add("ln_2_post");
  return shape;
}

}  // namespace kablate
