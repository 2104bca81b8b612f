#include "model/norm.h"

namespace kablate {

Norm::Norm(const ParameterSet& parameters, const std::string& name) {
  const auto scale_and_shift = parameters.map(name);
  weight_ = scale_and_shift.weight, bias_ = scale_and_shift.bias;
}

NormedSum Norm::operator()(const ResidualStream& stream, at::ScalarType type) const {
  constexpr double kEpsilon = 1e-5;
  return add_layer_norm(stream.x_BTE, stream.added_BTE, weight_, bias_, kEpsilon, type);
}

}  // namespace kablate
