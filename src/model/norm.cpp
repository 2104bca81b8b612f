#include "model/norm.h"

#include <ATen/ATen.h>

namespace kablate {

Norm::Norm(const ParameterSet& parameters, const std::string& name, bool bias)
    : weight_(parameters[name + ".weight"]) {
  if (bias) bias_ = parameters[name + ".bias"];
}

Tensor Norm::operator()(const Tensor& x_BTE) const {
  constexpr double kEpsilon = 1e-5;
  return at::layer_norm(x_BTE.to(weight_.scalar_type()), weight_.sizes(), weight_, bias_, kEpsilon);
}

}  // namespace kablate
