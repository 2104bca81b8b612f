#include <algorithm>
#include <cmath>

#include "shape/part_shape.h"

namespace kablate {
namespace {

// Scores and weighted values, 2 a channel, pair and head, over all of the pairs, or half of them.
double pair_flops(const LayerSpec& s) {
  const double half = static_cast<double>(s.T * s.H * s.query_width()) + static_cast<double>(s.T * s.E);
  return s.causal ? half : 2 * half;
}

// The reciprocal term needs the scores above the diagonal within the window, which only a causal attention
// has not made.
double reciprocal_flops(const LayerSpec& s) {
  if (!s.reciprocal_attention() || !s.causal) return 0;
  return 2.0 * static_cast<double>(std::min(s.reciprocal_window, s.T) * s.E);
}

// The latents as the maps up read them, and what a norm's backward pass reads before it.
double latent_kept_bytes(const LayerSpec& s) {
  const double value = value_bytes(s.compute);
  const auto kept = [&](std::int64_t width, bool normed, bool scaled) {
    return static_cast<double>(width) * (value + (normed ? kFloatBytes : 0) + (scaled ? value : 0));
  };
  const double latents = s.one_latent_cached() ? 1 : 2;
  double bytes = latents * kept(s.L, s.latent_norm, s.latent_scale != 1);
  if (s.q_latent > 0) bytes += kept(s.q_latent, true, s.q_latent_scale != 1);
  return bytes;
}

ActivationBytes attention_activations(const LayerSpec& s) {
  const double value = value_bytes(s.compute), pairs = static_cast<double>(s.H * s.T),
               E = static_cast<double>(s.E);
  const bool copies = value < kFloatBytes;  // P stands there in float32 and in the computing type
  const bool keeps_sums = attends_by_kernels(s) || attends_by_library(s);
  const double keys = static_cast<double>(s.K * s.D);
  // Heads of keys and values that several heads of queries read are copied outside the kernels.
  const double copies_of_keys = attends_by_kernels(s) || s.K == s.H ? 0 : 2 * value * E;
  const double rotary = s.has_latents() ? 2 * value * static_cast<double>(s.H * s.R) : 0;  // of q and k
  ActivationBytes bytes;
  bytes.attention_kept =
      norm_kept_bytes(s) + 2 * value * (E + keys) + copies_of_keys + rotary +
      (s.qk_norm ? value * (E + 2 * keys) : 0) +
      (keeps_sums ? kFloatBytes * static_cast<double>(s.H) : pairs * (kFloatBytes + (copies ? value : 0)));
  if (s.has_latents()) bytes.attention_kept += latent_kept_bytes(s);
  if (keeps_sums) {
    bytes.attention_passing = 2 * value * (E + keys) + copies_of_keys + rotary + kFloatBytes * E;
    return bytes;
  }
  if (s.compute.dropout > 0) bytes.attention_kept += pairs * 2 * kFloatBytes;  // mask and product
  bytes.attention_passing = pairs * (2 * kFloatBytes + (copies ? value : 0)) + 2 * kFloatBytes * E;
  if (s.reciprocal_attention()) bytes.attention_passing += pairs * kFloatBytes;
  return bytes;
}

}  // namespace

namespace {

// A linear layer of the attention.
Parameter attention_map(const std::string& name, std::int64_t out, std::int64_t in, double deviation) {
  return adaptable(linear(name, out, in, deviation, Part::kAttention));
}

}  // namespace

PartShape multi_head_shape(const LayerSpec& s) {
  const std::string name = s.prefix + "attn.";
  PartShape shape;
  const auto rows = s.E + 2 * s.K * s.D;  // q, k, v
  shape.parameters = {attention_map(name + "c_attn.weight", rows, s.E, kLinearDeviation),
                      attention_map(name + "c_proj.weight", s.E, s.E, s.residual_deviation)};
  if (s.bias) {
    shape.parameters.insert(shape.parameters.begin() + 1,
                            constant(name + "c_attn.bias", rows, 0, Part::kAttention));
    shape.parameters.push_back(constant(name + "c_proj.bias", s.E, 0, Part::kAttention));
  }
  shape.flops_per_token = 2.0 * static_cast<double>((rows + s.E) * s.E) + pair_flops(s);
  shape.cache_values_per_token = 2 * s.K * s.D;
  return shape;
}

namespace {

// N(0, 0.02·√(E/width)): a map up from a latent of that width keeps the scale of one from the input.
double up_deviation(const LayerSpec& s, std::int64_t width) {
  return kLinearDeviation * std::sqrt(static_cast<double>(s.E) / static_cast<double>(width));
}

// What follows from the parameters: every map is applied once a token.
void add_latent_amounts(const LayerSpec& s, PartShape& shape) {
  std::int64_t map_weights = 0;
  for (const auto& parameter : shape.parameters)
    if (parameter.shape.size() > 1) map_weights += parameter.count();
  shape.flops_per_token = 2.0 * static_cast<double>(map_weights) + pair_flops(s) + reciprocal_flops(s);
  shape.cache_values_per_token = (s.one_latent_cached() ? s.L : 2 * s.L) + s.R;
  if (s.reciprocal_attention()) shape.cache_values_fixed = s.reciprocal_window * s.E;
}

// The maps from the input to the latents, as RA_MLA_LATENT_SOURCE has them.
void add_down(const LayerSpec& s, const std::string& name, std::int64_t rows, PartShape& shape) {
  if (rows == 0) return;
  shape.parameters.push_back(attention_map(name, rows, s.E, kLinearDeviation));
  shape.parameters.back().trained = s.latent_source != LatentSource::kFrozen;
}

}  // namespace

PartShape latent_shape(const LayerSpec& s) {
  const std::string name = s.prefix + "attn.";
  const double up = s.latent_norm ? up_deviation(s, s.D) : 1 / std::sqrt(static_cast<double>(s.D)),
               down = s.latent_norm ? up_deviation(s, s.L) : 1 / std::sqrt(static_cast<double>(s.L));
  const auto per_head = [&](const char* key, std::int64_t rows, std::int64_t columns, double deviation) {
    return Parameter{name + key, {s.H, rows, columns}, 0, deviation, Part::kAttention};
  };
  PartShape shape;
  auto& p = shape.parameters;
  p.push_back(attention_map(name + "q_proj.weight", s.E, s.E, kLinearDeviation));
  if (s.latent_source != LatentSource::kSlice)
    for (const char* key :
         s.shared_kv ? std::vector{"kv_down.weight"} : std::vector{"k_down.weight", "v_down.weight"})
      add_down(s, name + key, s.L, shape);
  if (s.latent_norm)
    for (const char* key :
         s.shared_kv ? std::vector{"kv_norm.weight"} : std::vector{"k_norm.weight", "v_norm.weight"})
      p.push_back(constant(name + key, s.L, 1, Part::kNorm));
  p.push_back(s.per_head_q_latent
                  ? per_head("q_to_latent", s.D, s.L, up)
                  : linear(name + "q_to_latent_shared.weight", s.L, s.D, up, Part::kAttention));
  p.push_back(s.per_head_v_up ? per_head("v_up", s.L, s.D, down)
                              : linear(name + "v_up_shared.weight", s.D, s.L, down, Part::kAttention));
  if (s.R > 0) {
    p.push_back(attention_map(name + "q_rope.weight", s.H * s.R, s.E, kLinearDeviation));
    p.push_back(attention_map(name + "k_rope.weight", s.R, s.E, kLinearDeviation));
  }
  p.push_back(attention_map(name + "out_proj.weight", s.E, s.E, s.residual_deviation));
  add_latent_amounts(s, shape);
  return shape;
}

PartShape deepseek_shape(const LayerSpec& s) {
  const std::string name = s.prefix + "attn.";
  const std::int64_t queries = s.H * s.query_width(), r = s.q_latent;
  PartShape shape;
  auto& p = shape.parameters;
  if (r == 0) {
    p.push_back(attention_map(name + "q_proj.weight", queries, s.E, kLinearDeviation));
  } else {
    p.push_back(attention_map(name + "q_a_proj.weight", r, s.E, kLinearDeviation));
    p.push_back(constant(name + "q_a_layernorm.weight", r, 1, Part::kNorm));
    p.push_back(attention_map(name + "q_b_proj.weight", queries, r, up_deviation(s, r)));
  }
  add_down(s, name + "kv_a_proj_with_mqa.weight", s.latent_source == LatentSource::kSlice ? s.R : s.L + s.R,
           shape);
  p.push_back(constant(name + "kv_a_layernorm.weight", s.L, 1, Part::kNorm));
  p.push_back(linear(name + "kv_b_proj.weight", 2 * s.H * s.D, s.L, up_deviation(s, s.L), Part::kAttention));
  p.push_back(attention_map(name + "o_proj.weight", s.E, s.E, s.residual_deviation));
  add_latent_amounts(s, shape);
  return shape;
}

PartShape attention_shape(const LayerSpec& s) {
  if (s.attention == AttentionKind::kNone) return {};
  PartShape shape = s.attention == AttentionKind::kMultiHead ? multi_head_shape(s)
                    : s.attention == AttentionKind::kLatent  ? latent_shape(s)
                                                             : deepseek_shape(s);
  shape.activations = attention_activations(s);
  return shape;
}

}  // namespace kablate
