// The parameters of a model from a file of weights.
#pragma once

#include <filesystem>

#include "model/parameters.h"
#include "shape/model_spec.h"

namespace kablate {

// Those of `model`, float32 on `device`. Throws UserError as read_weights does (interchange/weights.h).
ParameterSet read_parameters(const ModelSpec& model, const std::filesystem::path& weights, at::Device device);

}  // namespace kablate
