#include <algorithm>
#include <cmath>

#include "shape/part_shape.h"

namespace kablate {
namespace {

// Scores and weighted values, each 2 D a pair and head, over half of the pairs.
double pair_flops(const LayerShape& s) { return 2.0 * static_cast<double>(s.T * s.E); }

// The reciprocal term needs the scores above the diagonal within the window as well.
double reciprocal_flops(const LayerShape& s) {
  if (!s.config.reciprocal_attention()) return 0;
  return 2.0 * static_cast<double>(std::min(s.config.attention.reciprocal_window, s.T) * s.E);
}

}  // namespace

PartShape multi_head_shape(const LayerShape& s) {
  const std::string name = s.prefix + "attn.";
  PartShape shape;
  shape.parameters = {
      linear(name + "c_attn.weight", 3 * s.E, s.E, kLinearDeviation, Part::kAttention),
      linear(name + "c_proj.weight", s.E, s.E, residual_deviation(s.config), Part::kAttention)};
  if (s.config.gpt.bias) {
    shape.parameters.insert(shape.parameters.begin() + 1,
                            constant(name + "c_attn.bias", 3 * s.E, 0, Part::kAttention));
    shape.parameters.push_back(constant(name + "c_proj.bias", s.E, 0, Part::kAttention));
  }
  shape.flops_per_token = 2.0 * static_cast<double>(4 * s.E * s.E) + pair_flops(s);
  shape.cache_values_per_token = 2 * s.E;
  return shape;
}

PartShape latent_shape(const LayerShape& s) {
  const auto& mla = s.config.attention;
  const std::string name = s.prefix + "attn.";
  const double up = 1 / std::sqrt(static_cast<double>(s.D)), down = 1 / std::sqrt(static_cast<double>(s.L));
  const auto per_head = [&](const char* key, std::int64_t rows, std::int64_t columns, double deviation) {
    return Parameter{name + key, {s.H, rows, columns}, 0, deviation, Part::kAttention};
  };
  PartShape shape;
  auto& p = shape.parameters;
  p.push_back(linear(name + "q_proj.weight", s.E, s.E, kLinearDeviation, Part::kAttention));
  for (const char* key :
       mla.shared_kv ? std::vector{"kv_down.weight"} : std::vector{"k_down.weight", "v_down.weight"})
    p.push_back(linear(name + key, s.L, s.E, kLinearDeviation, Part::kAttention));
  p.push_back(mla.per_head_q_latent
                  ? per_head("q_to_latent", s.D, s.L, up)
                  : linear(name + "q_to_latent_shared.weight", s.L, s.D, up, Part::kAttention));
  p.push_back(mla.per_head_v_up ? per_head("v_up", s.L, s.D, down)
                                : linear(name + "v_up_shared.weight", s.D, s.L, down, Part::kAttention));
  p.push_back(linear(name + "out_proj.weight", s.E, s.E, residual_deviation(s.config), Part::kAttention));

  std::int64_t map_weights = 0;  // every map is applied once a token
  for (const auto& parameter : p) map_weights += parameter.count();
  shape.flops_per_token = 2.0 * static_cast<double>(map_weights) + pair_flops(s) + reciprocal_flops(s);
  const bool keys_differ = s.config.coupler.enabled && s.receives_context;
  shape.cache_values_per_token = mla.shared_kv && !keys_differ ? s.L : 2 * s.L;
  if (s.config.reciprocal_attention()) shape.cache_values_fixed = mla.reciprocal_window * s.E;
  return shape;
}

PartShape attention_shape(const LayerShape& s) {
  if (!s.config.gpt.attention) return {};
  return s.config.attention.latent ? latent_shape(s) : multi_head_shape(s);
}

}  // namespace kablate
