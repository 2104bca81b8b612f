#include <algorithm>
#include <cmath>

#include "shape/part_shape.h"

namespace kablate {
namespace {

// Scores and weighted values, each 2 D a pair and head, over half of the pairs.
double pair_flops(const LayerSpec& s) { return 2.0 * static_cast<double>(s.T * s.E); }

// The reciprocal term needs the scores above the diagonal within the window as well.
double reciprocal_flops(const LayerSpec& s) {
  if (!s.reciprocal_attention()) return 0;
  return 2.0 * static_cast<double>(std::min(s.reciprocal_window, s.T) * s.E);
}

ActivationBytes activations(const LayerSpec& s) {
  const double value = value_bytes(s.compute), pairs = static_cast<double>(s.H * s.T),
               E = static_cast<double>(s.E);
  const bool copies = value < kFloatBytes;  // P stands there in float32 and in the computing type
  const bool keeps_sums = attends_by_kernels(s) || attends_by_library(s);
  const double keys = static_cast<double>(s.K * s.D);
  // Heads of keys and values that several heads of queries read are copied outside the kernels.
  const double copies_of_keys = attends_by_kernels(s) || s.K == s.H ? 0 : 2 * value * E;
  ActivationBytes bytes;
  bytes.attention_kept =
      norm_kept_bytes(s) + 2 * value * (E + keys) + copies_of_keys +
      (s.qk_norm ? value * (E + 2 * keys) : 0) +
      (keeps_sums ? kFloatBytes * static_cast<double>(s.H) : pairs * (kFloatBytes + (copies ? value : 0)));
  if (s.attention == AttentionKind::kLatent) {
    const double latents = s.shared_kv && !(s.coupler && s.receives_context) ? 1 : 2;
    bytes.attention_kept += latents * value * static_cast<double>(s.L);
  }
  if (keeps_sums) {
    bytes.attention_passing = 2 * value * (E + keys) + copies_of_keys + kFloatBytes * E;
    return bytes;
  }
  if (s.compute.dropout > 0) bytes.attention_kept += pairs * 2 * kFloatBytes;  // mask and product
  bytes.attention_passing = pairs * (2 * kFloatBytes + (copies ? value : 0)) + 2 * kFloatBytes * E;
  if (s.reciprocal_attention()) bytes.attention_passing += pairs * kFloatBytes;
  return bytes;
}

}  // namespace

PartShape multi_head_shape(const LayerSpec& s) {
  const std::string name = s.prefix + "attn.";
  PartShape shape;
  const auto rows = s.E + 2 * s.K * s.D;  // q, k, v
  shape.parameters = {linear(name + "c_attn.weight", rows, s.E, kLinearDeviation, Part::kAttention),
                      linear(name + "c_proj.weight", s.E, s.E, s.residual_deviation, Part::kAttention)};
  if (s.bias) {
    shape.parameters.insert(shape.parameters.begin() + 1,
                            constant(name + "c_attn.bias", rows, 0, Part::kAttention));
    shape.parameters.push_back(constant(name + "c_proj.bias", s.E, 0, Part::kAttention));
  }
  shape.flops_per_token = 2.0 * static_cast<double>((rows + s.E) * s.E) + pair_flops(s);
  shape.cache_values_per_token = 2 * s.K * s.D;
  return shape;
}

PartShape latent_shape(const LayerSpec& s) {
  const std::string name = s.prefix + "attn.";
  const double up = 1 / std::sqrt(static_cast<double>(s.D)), down = 1 / std::sqrt(static_cast<double>(s.L));
  const auto per_head = [&](const char* key, std::int64_t rows, std::int64_t columns, double deviation) {
    return Parameter{name + key, {s.H, rows, columns}, 0, deviation, Part::kAttention};
  };
  PartShape shape;
  auto& p = shape.parameters;
  p.push_back(linear(name + "q_proj.weight", s.E, s.E, kLinearDeviation, Part::kAttention));
  for (const char* key :
       s.shared_kv ? std::vector{"kv_down.weight"} : std::vector{"k_down.weight", "v_down.weight"})
    p.push_back(linear(name + key, s.L, s.E, kLinearDeviation, Part::kAttention));
  p.push_back(s.per_head_q_latent
                  ? per_head("q_to_latent", s.D, s.L, up)
                  : linear(name + "q_to_latent_shared.weight", s.L, s.D, up, Part::kAttention));
  p.push_back(s.per_head_v_up ? per_head("v_up", s.L, s.D, down)
                              : linear(name + "v_up_shared.weight", s.D, s.L, down, Part::kAttention));
  p.push_back(linear(name + "out_proj.weight", s.E, s.E, s.residual_deviation, Part::kAttention));

  std::int64_t map_weights = 0;  // every map is applied once a token
  for (const auto& parameter : p) map_weights += parameter.count();
  shape.flops_per_token = 2.0 * static_cast<double>(map_weights) + pair_flops(s) + reciprocal_flops(s);
  const bool keys_differ = s.coupler && s.receives_context;
  shape.cache_values_per_token = s.shared_kv && !keys_differ ? s.L : 2 * s.L;
  if (s.reciprocal_attention()) shape.cache_values_fixed = s.reciprocal_window * s.E;
  return shape;
}

PartShape attention_shape(const LayerSpec& s) {
  if (s.attention == AttentionKind::kNone) return {};
  PartShape shape = s.attention == AttentionKind::kLatent ? latent_shape(s) : multi_head_shape(s);
  shape.activations = activations(s);
  return shape;
}

}  // namespace kablate
