// Latent attention of the reference model, in either form, up to the scores of each head: as the equations
// stand, in double precision.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "config/config.h"
#include "support/engine/reference_math.h"

namespace kablate::reference {

struct LatentHeads {
  Matrix latent;               // c_k [T][L], before the addition
  Matrix keys;                 // and after
  std::vector<Matrix> scores;  // Z_h [T][T], before the causal mask
  Matrix values;               // v [T][H·D], head after head
};

// A block's tensors by their names from "attn." on, and its linear layers as it has them.
struct BlockWeights {
  std::function<const Weight&(const std::string&)> weight;
  std::function<Matrix(const Matrix&, const std::string&)> mapped;
};

// Of the normed input x [T][E]; `addition` [T][L] to the keys, empty for none.
LatentHeads latent_heads(const Config& config, const Matrix& x, std::size_t L, const Matrix& addition,
                         const BlockWeights& block);

}  // namespace kablate::reference
