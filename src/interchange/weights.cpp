#include "interchange/weights.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/safetensors_header.h"
#include "base/text.h"
#include "config/config.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

// `found` are the tensors that no parameter has taken yet.
UserError missing(const std::string& file, const Parameter& lacking, const ParameterTable& expected,
                  StateDict found) {
  for (const auto& parameter : expected) found.erase(parameter.name);
  std::vector<std::string> strangers;
  for (const auto& [name, tensor] : found) strangers.push_back(tensor.name);
  const auto near = nearest_name(lacking.name, strangers);
  std::string hint;
  if (!strangers.empty()) hint = str("; the file has ", near.empty() ? strangers.front() : near, " besides");
  return UserError(str(file, ": tensor ", lacking.name, " ", shape_text(lacking.shape),
                       " is missing; this configuration needs it", hint));
}

at::Tensor checked(const std::string& file, const Parameter& expected, const StateTensor& found) {
  const auto& [name, shape, tensor] = found;
  if (shape != expected.shape)
    throw UserError(str(file, ": tensor ", name, " has the shape ", shape_text(shape),
                        "; this configuration needs ", shape_text(expected.shape)));
  if (!tensor.is_floating_point())
    throw UserError(str(file, ": tensor ", name, " holds whole numbers; allowed: F32, F64, BF16, F16"));
  return tensor.to(at::kFloat);
}

// What may stand in a file although the model has no such parameter.
void check_extra(const std::string& file, const std::string& own, const StateTensor& found,
                 const ParameterTable& expected, const NamedTensors& weights) {
  const auto& [name, shape, tensor] = found;
  const auto map = own.substr(0, own.rfind('.') + 1) + "c_attn.weight";
  if (!tensor.defined() && (weights.contains(map) || expected.uses.contains(map))) return;
  if (const auto use = expected.uses.find(own); use != expected.uses.end()) {
    const auto& owned = weights.at(use->second);
    if (tensor.sizes() == owned.sizes() && at::equal(tensor.to(at::kFloat), owned)) return;
    const char* one =
        !own.starts_with("transformer.h.")
            ? "GPT2_WEIGHT_TYING = y makes them one; set GPT2_WEIGHT_TYING = n to load it"
        : own.find(".mlp.") == std::string::npos
            ? "SHARE_MAIN_MATRICES = y makes them one; set SHARE_MAIN_MATRICES = n to load it"
            : "MLP_SHARE_LAYERS or SHARE_MAIN_MATRICES makes them one; set MLP_SHARE_LAYERS = 1 "
              "and SHARE_MAIN_MATRICES = n to load it";
    throw UserError(str(file, ": ", name, " differs from ", use->second, ", but ", one));
  }
  throw UserError(
      str(file, ": tensor ", name, " ", shape_text(shape),
          " is not a parameter of this configuration; `kablate init` writes a file with those that are"));
}

}  // namespace

Config config_of_weights(const Config& config, const std::filesystem::path& path) {
  if (config.mlp.unshare_at == 0) return config;
  const auto uses = model_parameters(config).uses;
  for (const auto& [name, tensor] : read_safetensors_header(InputFile(path)).tensors) {
    const auto own = name.substr(std::min(name.find("transformer.h."), name.size()));  // without wrappers
    if (uses.contains(own)) return unshared(config);
  }
  return config;
}

NamedTensors take_weights(const std::string& file, StateDict found, const ParameterTable& expected) {
  NamedTensors weights;
  for (const auto& parameter : expected) {
    const auto place = found.find(parameter.name);
    if (place == found.end() || !place->second.tensor.defined())
      throw missing(file, parameter, expected, found);
    weights[parameter.name] = checked(file, parameter, place->second);
    found.erase(place);
  }
  for (const auto& [name, tensor] : found) check_extra(file, name, tensor, expected, weights);
  return weights;
}

NamedTensors take_initial_weights(const std::string& file, StateDict found, const ParameterTable& expected) {
  ParameterTable needed = expected;
  std::erase_if(needed.owned, [&](const Parameter& parameter) {
    if (parameter.part != Part::kAdapter) return false;
    const auto map = map_name(parameter.name);
    return !found.contains(map + kAdapterDown) && !found.contains(map + kAdapterUp);
  });
  return take_weights(file, std::move(found), needed);
}

NamedTensors read_initial_weights(const std::filesystem::path& path, const ParameterTable& expected) {
  return take_initial_weights(path.string(), read_state_dict(path), expected);
}

std::string initial_weights_hash(const Config& config) {
  const auto& path = config.train.init_from;
  if (path.empty()) return "";
  try {
    return file_sha256(path);
  } catch (const WorkError& fault) {
    throw UserError(str("INIT_FROM = ", path, ": ", fault.what(),
                        "; give a file of weights, or leave INIT_FROM empty to draw them"));
  }
}

NamedTensors read_weights(const std::filesystem::path& path, const ParameterTable& expected) {
  return take_weights(path.string(), read_state_dict(path), expected);
}

}  // namespace kablate
