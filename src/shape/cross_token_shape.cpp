#include <algorithm>

#include "shape/part_shape.h"

namespace kablate {
namespace {

// Kept columns of a routing row, averaged over the rows. For `rms` the number depends on the data: all are
// counted.
double kept_columns(const LayerShape& s) {
  const std::int64_t k =
      s.config.cross.sparsity == Sparsity::kTopK ? std::min(s.config.cross.top_k, s.T) : s.T;
  // Rows 0 to k-1 have fewer than k columns to keep.
  return static_cast<double>(k * (k + 1) / 2 + k * (s.T - k)) / static_cast<double>(s.T);
}

}  // namespace

PartShape cross_token_shape(const LayerShape& s) {
  PartShape shape;
  const auto& cross = s.config.cross;
  if (!cross.enabled) return shape;
  const std::string name = s.prefix + "mlp.";
  double map_weights = static_cast<double>(s.F * s.F);
  if (cross.rank == 0) {
    shape.parameters = {linear(name + "cross_proj.weight", s.F, s.F, kLinearDeviation, Part::kCrossToken)};
    shape.cache_values_per_token = s.F;
  } else {
    shape.parameters = {
        linear(name + "cross_down.weight", cross.rank, s.F, kLinearDeviation, Part::kCrossToken),
        linear(name + "cross_up.weight", s.F, cross.rank, kLinearDeviation, Part::kCrossToken)};
    map_weights = 2.0 * static_cast<double>(s.F * cross.rank);
    shape.cache_values_per_token = cross.head_average ? cross.rank : std::min(s.F, s.H * cross.rank);
  }
  // With one routing for all heads the narrow values are routed, not u (model/mechanism/cross_token.cpp).
  const std::int64_t routed = cross.rank > 0 && cross.head_average ? cross.rank : s.F;
  shape.flops_per_token = 2.0 * map_weights + 2.0 * static_cast<double>(routed) * kept_columns(s);
  return shape;
}

}  // namespace kablate
