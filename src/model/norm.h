// Layer normalisation (Ba et al. 2016) with the statistics in float32.
#pragma once

#include "model/parameters.h"
#include "model/pass.h"

namespace kablate {

class Norm {
 public:
  // `name` is the parameters' prefix, such as "transformer.h.0.ln_1"; the bias where `bias` says so.
  Norm(const ParameterSet& parameters, const std::string& name, bool bias);

  // (x - mean) / sqrt(variance + 1e-5) · weight + bias over the last dimension; [B, T, E] to [B, T, E], in
  // float32.
  Tensor operator()(const Tensor& x_BTE) const;

 private:
  Tensor weight_, bias_;
};

}  // namespace kablate
