#include "shape/part_shape.h"

namespace kablate {
namespace {

constexpr double kPlaceBytes = 8;  // of a number of a row

bool is_gated(const LayerSpec& s) { return s.activation == Activation::kSwiglu; }

// Mechanisms read u beside the second map: its gradient is a sum then, of one more tensor.
bool has_other_readers(const LayerSpec& s) { return (s.gate && s.makes_context) || s.cross || s.coupler; }

ActivationBytes mlp_activations(const LayerSpec& s) {
  const double value = value_bytes(s.compute), F = static_cast<double>(s.F), E = static_cast<double>(s.E);
  // Before the activation, and after it or after the mechanisms; what lies between is recomputed.
  const double kept = (is_gated(s) ? 3 : 2) * value * F;
  // The second map's backward pass leaves u's gradient and gives u back; the activation's makes its own then.
  const double passing = kept - (has_other_readers(s) ? 0 : value * F);
  ActivationBytes bytes;
  bytes.mlp_kept = norm_kept_bytes(s) + kept;
  bytes.mlp_passing = passing + 2 * kFloatBytes * E;
  if (s.compute.recompute) {
    bytes.mlp_kept -= kept;
    bytes.mlp_recomputed += kept + passing;
    bytes.mlp_passing -= passing;
    bytes.mlp_forward =
        kept + (s.cross || s.coupler ? 2 * value * F : 0);  // u before what they add, and that
  }
  if (s.compute.dropout > 0) bytes.mlp_kept += 2 * value * E;  // both parts' masks
  if (s.learned_width) {  // u before its gates and the product's gradient, made again
    bytes.recomputes_hidden = true;
    bytes.mlp_recomputed += value * F;
  }
  return bytes;
}

// The same where a router chooses, of loads that are even: of each chosen expert its input, its hidden values
// and what it gives stand beside one another, sorted by expert (model/experts.cpp).
ActivationBytes routed_activations(const LayerSpec& s) {
  const double value = value_bytes(s.compute), F = static_cast<double>(s.F), E = static_cast<double>(s.E);
  const double k = static_cast<double>(s.chosen), n = static_cast<double>(s.experts);
  const bool gated = s.gate && s.makes_context;
  const double hidden = (is_gated(s) ? 3 : 2) * value * F;
  // Beside them the units by token, of each expert and their sum.
  const double kept = k * (2 * value * E + hidden) + (gated ? value * F * (k + 1) : 0);
  const double passing = k * (2 * value * E + hidden / n) + (gated ? value * F * (k + 1) : 0);
  ActivationBytes bytes;
  // Probabilities, weights, choices and both orders; of narrow types what the router reads.
  bytes.mlp_kept = norm_kept_bytes(s) + kFloatBytes * (n + 2 * k) + 3 * kPlaceBytes * k +
                   (value < kFloatBytes ? kFloatBytes * E : 0);
  bytes.mlp_passing = 2 * kFloatBytes * E;
  (s.compute.recompute ? bytes.mlp_recomputed : bytes.mlp_kept) += kept;
  (s.compute.recompute ? bytes.mlp_recomputed : bytes.mlp_passing) += passing;
  if (s.compute.recompute) bytes.mlp_forward = kept;
  if (s.compute.dropout > 0) bytes.mlp_kept += 2 * value * E;  // both parts' masks
  return bytes;
}

// A map of all channels, or [MLPs, out, in] for those of a head.
void add_map(const LayerSpec& s, const char* key, std::int64_t out, std::int64_t in, double deviation,
             PartShape& shape) {
  const std::string name = s.prefix + "mlp." + key;
  if (s.head_mlps == 0) {
    shape.parameters.push_back(adaptable(linear(name + ".weight", out, in, deviation, Part::kMlp)));
    if (s.bias) shape.parameters.push_back(constant(name + ".bias", out, 0, Part::kMlp));
    return;
  }
  const std::int64_t n = s.head_mlps;
  shape.parameters.push_back({name + "_heads", {n, out / s.H, in / s.H}, 0, deviation, Part::kMlp});
  if (s.bias) shape.parameters.push_back({name + "_heads_bias", {n, out / s.H}, 0, 0, Part::kMlp});
}

// A router, and as many MLPs as there are experts.
PartShape routed_shape(const LayerSpec& s) {
  PartShape shape;
  shape.parameters.push_back(
      linear(s.prefix + "mlp.router.weight", s.experts, s.E, kLinearDeviation, Part::kMlp));
  shape.parameters.back().wide = true;
  for (std::int64_t e = 0; e < s.experts; ++e) {
    const auto first = shape.parameters.size();
    const std::string expert = "experts." + std::to_string(e) + ".";
    add_map(s, (expert + "c_fc").c_str(), s.F, s.E, kLinearDeviation, shape);
    if (is_gated(s)) add_map(s, (expert + "c_gate").c_str(), s.F, s.E, kLinearDeviation, shape);
    add_map(s, (expert + "c_proj").c_str(), s.E, s.F, s.residual_deviation, shape);
    for (auto i = first; i < shape.parameters.size(); ++i) shape.parameters[i].active = e < s.chosen;
  }
  shape.activations = routed_activations(s);
  const auto pairs = static_cast<double>((is_gated(s) ? 3 : 2) * s.chosen * s.E * s.F + s.experts * s.E);
  shape.flops_per_token = 2.0 * pairs;
  return shape;
}

}  // namespace

PartShape mlp_shape(const LayerSpec& s) {
  PartShape shape;
  if (s.F == 0) return shape;
  if (s.experts > 0) return routed_shape(s);
  add_map(s, "c_fc", s.F, s.E, kLinearDeviation, shape);
  if (is_gated(s)) add_map(s, "c_gate", s.F, s.E, kLinearDeviation, shape);
  add_map(s, "c_proj", s.E, s.F, s.residual_deviation, shape);
  if (s.learned_width) {
    shape.parameters.push_back(constant(s.prefix + "mlp.unit_gate", s.F, 0, Part::kMlp));
    shape.parameters.back().own = true;
  }
  shape.activations = mlp_activations(s);
  // Every head's maps are E / H by F / H; who shares them changes no work.
  const double pairs = static_cast<double>(s.E * s.F) / static_cast<double>(s.head_mlps > 0 ? s.H : 1);
  shape.flops_per_token = 2.0 * (is_gated(s) ? 3 : 2) * pairs;
  return shape;
}

PartShape norms_shape(const LayerSpec& s) {
  PartShape shape;
  const bool second = s.norm_placement == NormPlacement::kHybrid;
  const auto add = [&](const char* key) {
    for (const auto& parameter : norm_parameters(s.prefix + key, s.E, s.norm, s.bias))
      shape.parameters.push_back(parameter);
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
