#include "shape/part_shape.h"

#include <cmath>
#include <utility>

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

namespace {

// Adds A and B of every map that they stand beside, their work and what they keep; and where the maps stand
// still, says so of them.
PartShape with_adapters(const LayerSpec& s, PartShape shape, const AdapterSpec& adapter) {
  std::vector<Parameter> all;
  shape.adapter = adapter;
  const double value = value_bytes(s.compute);
  for (auto& parameter : shape.parameters) {
    const bool main = (parameter.part == Part::kAttention || parameter.part == Part::kMlp) && !parameter.own;
    if (s.frozen_base && main && !is_router(parameter.name)) parameter.trained = false;
    all.push_back(parameter);
    if (adapter.rank == 0 || !parameter.adaptable) continue;
    const std::int64_t out = parameter.shape[0], in = parameter.shape[1], r = adapter.rank;
    const std::string name = map_name(parameter.name);
    all.push_back({.name = name + kAdapterDown,
                   .shape = {r, in},
                   .part = Part::kAdapter,
                   .bound = 1 / std::sqrt(static_cast<double>(in))});
    all.push_back({.name = name + kAdapterUp, .shape = {out, r}, .part = Part::kAdapter});
    shape.flops_per_token += 2.0 * static_cast<double>(r * (in + out));
    // A·x; and of dropout the mask and what it leaves of x.
    const double kept =
        value * (static_cast<double>(r) + (adapter.dropout > 0 ? 2.0 * static_cast<double>(in) : 0));
    auto& bytes = shape.activations;
    (parameter.part == Part::kAttention ? bytes.attention_kept
     : s.compute.recompute              ? bytes.mlp_recomputed
                                        : bytes.mlp_kept) += kept;
  }
  shape.parameters = std::move(all);
  return shape;
}

}  // namespace

std::vector<PartShape> layer_parts(const LayerSpec& s) {
  return {norms_shape(s),
          with_adapters(s, attention_shape(s), s.attention_adapter),
          with_adapters(s, mlp_shape(s), s.mlp_adapter),
          gate_shape(s),
          cross_token_shape(s),
          coupler_shape(s)};
}

Parameter linear(const std::string& name, std::int64_t out, std::int64_t in, double deviation,
                 const char* part) {
  return {.name = name, .shape = {out, in}, .mean = 0, .deviation = deviation, .part = part};
}

Parameter adaptable(Parameter weight) {
  weight.adaptable = true;
  return weight;
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
  const bool beyond = s.compute.padded || (s.reciprocal_attention() && !s.causal);
  return !beyond && !portable && pairs && drops && s.query_width() <= kMostHeadWidth;
}

bool attends_by_library(const LayerSpec& s) {
  return !attends_by_kernels(s) && s.compute.dropout == 0 && !s.reciprocal_attention();
}

}  // namespace kablate
