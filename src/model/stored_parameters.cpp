#include "model/stored_parameters.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "interchange/weights.h"
#include "shape/model_shape.h"

namespace kablate {

ParameterSet read_parameters(const ModelSpec& model, const std::filesystem::path& weights,
                             at::Device device) {
  const auto table = model_parameters(model);
  const NamedTensors found = read_weights(weights, table);
  const ParameterSet parameters(table);
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : parameters.by_name()) tensor.copy_(found.at(name));
  return parameters.to(device, at::kFloat);
}

}  // namespace kablate
