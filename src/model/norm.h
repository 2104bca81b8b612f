// The norms between a model's parts, with the statistics in float32, or float64 in a float64 pass.
#pragma once

#include <string>

#include "model/kernel/fused_norm.h"
#include "model/parameters.h"

namespace kablate {

// What runs from block to block: x, and what the last map adds to it once a norm reads the sum.
struct ResidualStream {
  Tensor x_BTE;
  Tensor added_BTE;  // or undefined

  Tensor sum() const { return added_BTE.defined() ? x_BTE + added_BTE : x_BTE; }
};

class Norm {
 public:
  // `name` is the parameters' prefix, such as "transformer.h.0.ln_1"; without `affine` there are none.
  Norm(const ParameterSet& parameters, const std::string& name, const NormOptions& options);

  // The norm of the stream's sum, [B, T, E], in `type`; and that sum, in float32 or float64.
  NormedSum operator()(const ResidualStream& stream, at::ScalarType type) const;

 private:
  NormFunction function_;  // without a bias where the model has none
};

}  // namespace kablate
