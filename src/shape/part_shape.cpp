#include "shape/part_shape.h"

#include "shape/policy.h"

namespace kablate {

// The mechanisms, each in its own file; empty where switched off.
PartShape gate_shape(const LayerSpec& layer);         // gate_shape.cpp; mechanism 1
PartShape cross_token_shape(const LayerSpec& layer);  // cross_token_shape.cpp; mechanism 2
PartShape coupler_shape(const LayerSpec& layer);      // coupler_shape.cpp; mechanism 3

ActivationBytes& ActivationBytes::operator+=(const ActivationBytes& other) {
  attention_kept += other.attention_kept, attention_passing += other.attention_passing;
  mlp_kept += other.mlp_kept, mlp_passing += other.mlp_passing;
  mlp_recomputed += other.mlp_recomputed, mlp_forward += other.mlp_forward;
  recomputes_hidden = recomputes_hidden || other.recomputes_hidden;
  return *this;
}

std::int64_t owner_of(const LayerSpec& s, const Parameter& parameter) {
  if (parameter.own) return s.index;
  if (parameter.part == Part::kAttention) return s.attention_owner;
  return parameter.part == Part::kMlp ? s.mlp_owner : s.index;
}

std::vector<PartShape> layer_parts(const LayerSpec& s) {
  return {norms_shape(s), attention_shape(s),   mlp_shape(s),
          gate_shape(s),  cross_token_shape(s), coupler_shape(s)};
}

Parameter linear(const std::string& name, std::int64_t out, std::int64_t in, double deviation,
                 const char* part) {
  return {.name = name, .shape = {out, in}, .mean = 0, .deviation = deviation, .part = part};
}

Parameter constant(const std::string& name, std::int64_t size, double value, const char* part) {
  return {.name = name, .shape = {size}, .mean = value, .deviation = 0, .part = part};
}

std::vector<Parameter> norm_parameters(const std::string& name, std::int64_t E, const NormOptions& norm,
                                       bool bias) {
  if (!norm.affine) return {};
  std::vector<Parameter> parameters = {constant(name + ".weight", E, 1, Part::kNorm)};
  if (bias && norm.kind == NormKind::kLayerNorm)
    parameters.push_back(constant(name + ".bias", E, 0, Part::kNorm));
  return parameters;
}

double value_bytes(const ComputeSpec& compute) { return compute.dtype == DType::kFloat32 ? 4 : 2; }

double norm_kept_bytes(const LayerSpec& s) {
  const auto E = static_cast<double>(s.E);
  return kFloatBytes * E + 2 * kFloatBytes + value_bytes(s.compute) * E;
}

bool attends_by_kernels(const LayerSpec& s) {
  constexpr std::int64_t kMostHeadWidth = 256;
  const bool pairs = s.compute.dtype == DType::kFloat32 || (s.D % 2 == 0 && s.query_width() % 2 == 0);
  const bool drops = s.compute.dropout == 0 || drops_in_kernels(s.H, s.T);
  const bool portable = s.compute.device == DeviceKind::kCuda || s.compute.kernels == KernelKind::kPortable;
  return !portable && pairs && drops && s.query_width() <= kMostHeadWidth;
}

bool attends_by_library(const LayerSpec& s) {
  return !attends_by_kernels(s) && s.compute.dropout == 0 && !s.reciprocal_attention();
}

}  // namespace kablate
