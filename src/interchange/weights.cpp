#include "interchange/weights.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

// What torch.compile and DistributedDataParallel put before every name, in either order.
constexpr std::string_view kWrappers[] = {"_orig_mod.", "module."};

std::string shape_text(at::IntArrayRef shape) {
  std::vector<std::string> sizes;
  for (const auto size : shape) sizes.push_back(std::to_string(size));
  return str("[", join(sizes, ", "), "]");
}

struct FoundTensor {
  at::Tensor tensor;
  std::string name;  // as the file has it
};
using FoundTensors = std::map<std::string, FoundTensor>;  // by the name without wrappers

std::string without_wrappers(std::string_view name) {
  const auto wraps = [&](std::string_view wrapper) { return name.starts_with(wrapper); };
  for (const auto* found = std::begin(kWrappers); found != std::end(kWrappers);) {
    found = std::find_if(std::begin(kWrappers), std::end(kWrappers), wraps);
    if (found != std::end(kWrappers)) name.remove_prefix(found->size());
  }
  return std::string(name);
}

// The file's tensors, and those that it has under another name: of tensors that share their memory
// safetensors' save_model writes one, and leaves in the metadata under each other name which one that is.
FoundTensors all_tensors(const std::string& file, const SafetensorsFile& content) {
  FoundTensors found;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    const auto [place, added] = found.try_emplace(without_wrappers(name), FoundTensor{tensor, name});
    if (!added)
      throw UserError(
          str(file, ": tensor ", place->first, " stands twice, as ", place->second.name, " and as ", name));
  };
  for (const auto& [name, tensor] : content.tensors) add(name, tensor);
  for (const auto& [name, kept] : content.metadata) {
    const auto place = content.tensors.find(kept);
    if (place != content.tensors.end() && !content.tensors.contains(name)) add(name, place->second);
  }
  return found;
}

// `found` are the tensors that no parameter has taken yet.
UserError missing(const std::string& file, const Parameter& lacking, const ParameterTable& expected,
                  FoundTensors found) {
  for (const auto& parameter : expected) found.erase(parameter.name);
  std::vector<std::string> strangers;
  for (const auto& [name, tensor] : found) strangers.push_back(tensor.name);
  const auto near = nearest_name(lacking.name, strangers);
  std::string hint;
  if (!strangers.empty()) hint = str("; the file has ", near.empty() ? strangers.front() : near, " besides");
  return UserError(str(file, ": tensor ", lacking.name, " ", shape_text(lacking.shape),
                       " is missing; this configuration needs it", hint));
}

at::Tensor checked(const std::string& file, const Parameter& expected, const FoundTensor& found) {
  const auto& [tensor, name] = found;
  if (tensor.sizes() != at::IntArrayRef(expected.shape))
    throw UserError(str(file, ": tensor ", name, " has the shape ", shape_text(tensor.sizes()),
                        "; this configuration needs ", shape_text(expected.shape)));
  if (!tensor.is_floating_point())
    throw UserError(str(file, ": tensor ", name, " holds whole numbers; allowed: F32, F64, BF16, F16"));
  return tensor.to(at::kFloat);
}

// What may stand in a file although the model has no such parameter.
void check_extra(const std::string& file, const std::string& own, const FoundTensor& found,
                 const ParameterTable& expected, const NamedTensors& weights) {
  const auto& [tensor, name] = found;
  const bool mask = own.ends_with(".attn.bias") && tensor.dim() == 4 && tensor.size(2) == tensor.size(3);
  if (mask && weights.contains(own.substr(0, own.size() - 4) + "c_attn.weight"))
    return;  // nanoGPT's triangle
  if (const auto use = expected.uses.find(own); use != expected.uses.end()) {
    const auto& owned = weights.at(use->second);
    if (tensor.sizes() == owned.sizes() && at::equal(tensor.to(at::kFloat), owned)) return;
    const bool head = own.find(".mlp.") == std::string::npos;
    throw UserError(str(file, ": ", name, " differs from ", use->second, ", but ",
                        head ? "GPT2_WEIGHT_TYING = y makes them one; set GPT2_WEIGHT_TYING = n to load it"
                             : "MLP_SHARE_LAYERS makes them one; set MLP_SHARE_LAYERS = 1 to load it"));
  }
  throw UserError(
      str(file, ": tensor ", name, " ", shape_text(tensor.sizes()),
          " is not a parameter of this configuration; `kablate init` writes a file with those that are"));
}

}  // namespace

NamedTensors read_weights(const std::filesystem::path& path, const ParameterTable& expected) {
  FoundTensors found = all_tensors(path.string(), read_safetensors_file(path));
  NamedTensors weights;
  for (const auto& parameter : expected) {
    const auto place = found.find(parameter.name);
    if (place == found.end()) throw missing(path.string(), parameter, expected, found);
    weights[parameter.name] = checked(path.string(), parameter, place->second);
    found.erase(place);
  }
  for (const auto& [name, tensor] : found) check_extra(path.string(), name, tensor, expected, weights);
  return weights;
}

}  // namespace kablate
