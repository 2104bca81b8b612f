// What one part of one layer amounts to. A part (attention, MLP, each mechanism) is one function
// LayerShape -> PartShape; model_shape.cpp adds them up. The letters are those of model/dims.h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"
#include "shape/parameter.h"

namespace kablate {

// One layer's sizes. F belongs to the layer, not to the model.
struct LayerShape {
  const Config& config;
  std::int64_t index;  // 0 is the block next to the embedding
  std::int64_t E, H, D, L, F, T;
  bool receives_context;  // a block below hands it gate and latent context
  bool makes_context;     // a block above will read them
  std::string prefix;     // "transformer.h.0."
};
LayerShape layer_shape(const Config& config, std::int64_t index);

struct PartShape {
  std::vector<Parameter> parameters;
  double flops_per_token = 0;               // forward, at context T
  std::int64_t cache_values_per_token = 0;  // what decoding must keep
  std::int64_t cache_values_fixed = 0;
};

// The parts of a layer; empty where switched off.
PartShape multi_head_shape(const LayerShape& layer);   // attention_shape.cpp; spec, section 2
PartShape latent_shape(const LayerShape& layer);       // attention_shape.cpp; spec, section 2
PartShape attention_shape(const LayerShape& layer);    // whichever of the two is configured
PartShape mlp_shape(const LayerShape& layer);          // mlp_shape.cpp; spec, section 3
PartShape norms_shape(const LayerShape& layer);        // mlp_shape.cpp; spec, section 1
PartShape gate_shape(const LayerShape& layer);         // gate_shape.cpp; mechanism 1
PartShape cross_token_shape(const LayerShape& layer);  // cross_token_shape.cpp; mechanism 2
PartShape coupler_shape(const LayerShape& layer);      // coupler_shape.cpp; mechanism 3

// Into how many pieces B sequences of T positions are cut where values are made again in the backward pass
// (model/recompute.h): as small as still have rows enough for fast products.
inline std::int64_t remade_pieces(std::int64_t B, std::int64_t T) {
  constexpr std::int64_t kRows = 2048;
  return std::clamp<std::int64_t>(B * T / kRows, 1, B);
}

// How many of N positions have their logits made at once (model/loss.h): all, unless a vocabulary of V makes
// them many, and then as few as still have rows enough for fast products.
inline std::int64_t head_rows(std::int64_t N, std::int64_t V) {
  constexpr std::int64_t kMost = std::int64_t{1} << 24, kRows = 1024;
  return N * V <= kMost ? N : std::min(N, kRows);
}

// Whether the attention's kernels can drop weights out: four numbers of a row come at once, from a 32-bit
// place.
inline bool drops_in_kernels(std::int64_t H, std::int64_t T) {
  return T % 4 == 0 && H * T * T <= std::int64_t{1} << 34;
}

// Whether mechanism 2 has the entries of its routing selected in the attention's kernels, where they serve,
// and keeps those alone: finding the k largest costs k comparisons a weight.
inline bool routes_by_entries(const CrossTokenConfig& cross) {
  constexpr std::int64_t kMostEntries = 64;
  return cross.head_average && cross.sparsity == Sparsity::kTopK && cross.top_k <= kMostEntries;
}

// Shorthands for the distributions of spec, section 4.
constexpr double kLinearDeviation = 0.02;
double residual_deviation(const Config& config);  // of the maps that add to the residual stream
Parameter linear(const std::string& name, std::int64_t out, std::int64_t in, double deviation, Part part);
Parameter constant(const std::string& name, std::int64_t size, double value, Part part);

}  // namespace kablate
