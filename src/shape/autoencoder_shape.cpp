#include "shape/part_shape.h"

namespace kablate {

PartShape autoencoder_shape(const ModelSpec& model) {
  PartShape shape;
  if (!model.autoencoder) return shape;
  const auto E = model.E;
  for (const std::string i : {"1", "2"}) {
    for (const auto& parameter : norm_parameters("decoder.ln_" + i, E, model.norm, model.bias))
      shape.parameters.push_back(parameter);
    const auto add = [&](Parameter parameter) {
      parameter.trained = !model.frozen_base;  // as the head, to which it belongs
      shape.parameters.push_back(parameter);
    };
    add(linear("decoder.fc_" + i + ".weight", E, E, kLinearDeviation, Part::kHead));
    if (model.bias) add(constant("decoder.fc_" + i + ".bias", E, 0, Part::kHead));
  }
  const auto width = static_cast<double>(E);
  shape.flops_per_token = 2 * 2 * width * width;
  // What the norm, the map and the activation behind it read.
  shape.activations.mlp_kept =
      2 * (norm_kept_bytes(model.layers.front()) + value_bytes(model.compute) * width);
  return shape;
}

}  // namespace kablate
