#include "interchange/weights.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr std::string_view kCompiledPrefix = "_orig_mod.";  // what torch.compile puts before every name
constexpr std::string_view kHead = "lm_head.weight";
constexpr std::string_view kEmbedding = "transformer.wte.weight";

std::string shape_text(at::IntArrayRef shape) {
  std::vector<std::string> sizes;
  for (const auto size : shape) sizes.push_back(std::to_string(size));
  return str("[", join(sizes, ", "), "]");
}

NamedTensors without_prefix(const std::string& file, const NamedTensors& tensors) {
  NamedTensors plain;
  for (const auto& [name, tensor] : tensors) {
    const auto own = name.starts_with(kCompiledPrefix) ? name.substr(kCompiledPrefix.size()) : name;
    if (!plain.try_emplace(own, tensor).second)
      throw UserError(
          str(file, ": tensor ", own, " stands twice, with and without the prefix ", kCompiledPrefix));
  }
  return plain;
}

at::Tensor checked(const std::string& file, const Parameter& expected, const at::Tensor& tensor) {
  if (tensor.sizes() != at::IntArrayRef(expected.shape))
    throw UserError(str(file, ": tensor ", expected.name, " has the shape ", shape_text(tensor.sizes()),
                        "; this configuration needs ", shape_text(expected.shape)));
  if (!tensor.is_floating_point())
    throw UserError(
        str(file, ": tensor ", expected.name, " holds whole numbers; allowed: F32, F64, BF16, F16"));
  return tensor.to(at::kFloat);
}

// What may stand in a file although the model has no such parameter.
void check_extra(const std::string& file, const std::string& name, const at::Tensor& tensor,
                 const NamedTensors& weights) {
  const bool mask = name.ends_with(".attn.bias") && tensor.dim() == 4 && tensor.size(2) == tensor.size(3);
  if (mask && weights.contains(name.substr(0, name.size() - 4) + "c_attn.weight"))
    return;  // nanoGPT's triangle
  if (name == kHead) {
    const auto& embedding = weights.at(std::string(kEmbedding));
    if (tensor.sizes() == embedding.sizes() && at::equal(tensor.to(at::kFloat), embedding)) return;
    throw UserError(
        str(file,
            ": lm_head.weight differs from transformer.wte.weight, but GPT2_WEIGHT_TYING = y makes them one; "
            "set GPT2_WEIGHT_TYING = n to load it"));
  }
  throw UserError(
      str(file, ": tensor ", name,
          " is not a parameter of this configuration; `kablate init` writes a file with those that are"));
}

}  // namespace

NamedTensors read_weights(const std::filesystem::path& path, const std::vector<Parameter>& expected) {
  NamedTensors found = without_prefix(path.string(), read_safetensors(path));
  NamedTensors weights;
  for (const auto& parameter : expected) {
    const auto place = found.find(parameter.name);
    if (place == found.end())
      throw UserError(str(path.string(), ": tensor ", parameter.name, " ", shape_text(parameter.shape),
                          " is missing; this configuration needs it"));
    weights[parameter.name] = checked(path.string(), parameter, place->second);
    found.erase(place);
  }
  for (const auto& [name, tensor] : found) check_extra(path.string(), name, tensor, weights);
  return weights;
}

}  // namespace kablate
