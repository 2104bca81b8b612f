#include "model/norm.h"

namespace kablate {

Norm::Norm(const ParameterSet& parameters, const std::string& name, const NormOptions& options)
    : function_{.kind = options.kind, .weight = {}, .bias = {}} {
  if (!options.affine) return;
  const auto scale_and_shift = parameters.map(name);
  function_.weight = scale_and_shift.weight, function_.bias = scale_and_shift.bias;
}

NormedSum Norm::operator()(const ResidualStream& stream, at::ScalarType type) const {
  return add_norm(stream.x_BTE, stream.added_BTE, function_, type);
}

}  // namespace kablate
