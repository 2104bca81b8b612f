#include "model/norm.h"

namespace kablate {

Norm::Norm(const ParameterSet& parameters, const std::string& name, bool bias)
    : weight_(parameters[name + ".weight"]) {
  if (bias) bias_ = parameters[name + ".bias"];
}

NormedSum Norm::operator()(const ResidualStream& stream, at::ScalarType type) const {
  constexpr double kEpsilon = 1e-5;
  return add_layer_norm(stream.x_BTE, stream.added_BTE, weight_, bias_, kEpsilon, type);
}

}  // namespace kablate
