// Layer normalisation (Ba et al. 2016) with the statistics in the weight's type.
#pragma once

#include "model/kernel/fused_layer_norm.h"
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
  // `name` is the parameters' prefix, such as "transformer.h.0.ln_1".
  Norm(const ParameterSet& parameters, const std::string& name);

  // (x - mean) / sqrt(variance + 1e-5) · weight + bias over the last dimension of the stream's sum,
  // [B, T, E], in `type`; and that sum, in the weight's type.
  NormedSum operator()(const ResidualStream& stream, at::ScalarType type) const;

 private:
  Tensor weight_, bias_;  // [E]; bias_ undefined where the model has none
};

}  // namespace kablate
