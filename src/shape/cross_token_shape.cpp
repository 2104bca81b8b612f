#include <algorithm>

#include "shape/part_shape.h"
#include "shape/policy.h"

namespace kablate {
namespace {

constexpr const char* kCrossPart = "cross_token";

// Kept columns of a routing row, averaged over the rows. For `rms` the number depends on the data: all are
// counted.
double kept_columns(const LayerSpec& s) {
  const std::int64_t k = s.cross->sparsity == Sparsity::kTopK ? std::min(s.cross->top_k, s.T) : s.T;
  if (!s.causal) return static_cast<double>(k);
  // Rows 0 to k-1 have fewer than k columns to keep.
  return static_cast<double>(k * (k + 1) / 2 + k * (s.T - k)) / static_cast<double>(s.T);
}

ActivationBytes cross_token_activations(const LayerSpec& s) {
  const CrossTokenConfig& cross = *s.cross;
  const double value = value_bytes(s.compute), F = static_cast<double>(s.F);
  const double row = static_cast<double>(cross.head_average ? s.T : s.H * s.T);
  const double mapped = cross.rank > 0 ? static_cast<double>(cross.rank) : F;
  const bool kernels = attends_by_kernels(s);
  ActivationBytes bytes;
  bytes.recomputes_hidden = true;
  (s.compute.recompute ? bytes.mlp_recomputed : bytes.mlp_passing) += value * mapped;  // the map's input
  bytes.mlp_recomputed += value * mapped;                                              // its gradient
  if (routes_by_entries(cross) && kernels) {
    const double entries = static_cast<double>(std::min(cross.top_k, s.T));
    bytes.mlp_kept += 2 * kFloatBytes * entries;  // and their columns
    bytes.mlp_passing += kFloatBytes * entries;
    return bytes;
  }
  // Without averaging the rows are P, which attention keeps for them where it goes through the kernels;
  // beside LibTorch's, which has none to give, it keeps P in any case.
  if (kernels && cross.head_average) bytes.mlp_kept += row * kFloatBytes;
  if ((kernels && !cross.head_average) || attends_by_library(s)) {
    const double every_head = static_cast<double>(s.H * s.T) * kFloatBytes;
    bytes.attention_kept += every_head, bytes.attention_passing += every_head;
  }
  bytes.mlp_passing += row * kFloatBytes;
  bytes.mlp_recomputed += row * (2 * kFloatBytes + value);
  if (cross.sparsity != Sparsity::kNone)
    bytes.mlp_recomputed += row * kFloatBytes * (cross.normalize ? 3 : 2);
  return bytes;
}

}  // namespace

PartShape cross_token_shape(const LayerSpec& s) {
  PartShape shape;
  if (!s.cross) return shape;
  const CrossTokenConfig& cross = *s.cross;
  shape.activations = cross_token_activations(s);
  const std::string name = s.prefix + "mlp.";
  double map_weights = static_cast<double>(s.F * s.F);
  if (cross.rank == 0) {
    shape.parameters = {linear(name + "cross_proj.weight", s.F, s.F, kLinearDeviation, kCrossPart)};
    shape.cache_values_per_token = s.F;
  } else {
    shape.parameters = {linear(name + "cross_down.weight", cross.rank, s.F, kLinearDeviation, kCrossPart),
                        linear(name + "cross_up.weight", s.F, cross.rank, kLinearDeviation, kCrossPart)};
    map_weights = 2.0 * static_cast<double>(s.F * cross.rank);
    shape.cache_values_per_token = cross.head_average ? cross.rank : std::min(s.F, s.H * cross.rank);
  }
  // With one routing for all heads the narrow values are routed, not u (model/mechanism/cross_token.cpp).
  const std::int64_t routed = cross.rank > 0 && cross.head_average ? cross.rank : s.F;
  shape.flops_per_token = 2.0 * map_weights + 2.0 * static_cast<double>(routed) * kept_columns(s);
  return shape;
}

}  // namespace kablate
