// The legend of shapes, here and in every comment and name below src/model:
//   B sequences in a batch    T positions               E width of the residual stream
//   H heads                   D = E/H width of a head   L latent width of MLA
//   F hidden width of an MLP  G width of the gate       V vocabulary
//   K heads of keys           C width of a value head, where they are not H and D
// A name that ends in _BTE is a tensor [B, T, E]. Row = query position t, column = key position s.
#pragma once

#include <ATen/core/Tensor.h>

namespace kablate {

using at::Tensor;

// Of statistics, sums and losses over numbers of a type: float32 at least.
inline at::ScalarType statistics_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace kablate
