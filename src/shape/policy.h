// Where the program does the same thing in another way for the sake of speed or memory: the limits that both
// the model and the memory formula ask.
#pragma once

#include <algorithm>
#include <cstdint>

#include "config/model_options.h"

namespace kablate {

// Into how many pieces B sequences of T positions are cut where values are recomputed in the backward pass
// (model/recompute.h): as small as still have `rows` positions (Limits::recomputed_rows), enough for fast
// products.
inline std::int64_t recompute_pieces(std::int64_t B, std::int64_t T, std::int64_t rows) {
  return std::clamp<std::int64_t>(B * T / rows, 1, B);
}

// How many of N positions have their logits made at once (model/loss.h): all, unless a vocabulary of V makes
// them many, and then as few as still have rows enough for fast products.
inline std::int64_t head_rows(std::int64_t N, std::int64_t V, const Limits& limits) {
  return N * V <= limits.logits ? N : std::min(N, limits.logit_rows);
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

}  // namespace kablate
