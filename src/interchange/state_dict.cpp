#include "interchange/state_dict.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr std::string_view kWrappers[] = {"_orig_mod.", "module."};
constexpr std::string_view kMask = ".attn.bias", kMaskedValue = ".attn.masked_bias";

std::string without_wrappers(std::string_view name) {
  const auto wraps = [&](std::string_view wrapper) { return name.starts_with(wrapper); };
  for (const auto* found = std::begin(kWrappers); found != std::end(kWrappers);) {
    found = std::find_if(std::begin(kWrappers), std::end(kWrappers), wraps);
    if (found != std::end(kWrappers)) name.remove_prefix(found->size());
  }
  return std::string(name);
}

}  // namespace

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::vector<std::string> sizes;
  for (const auto size : shape) sizes.push_back(std::to_string(size));
  return str("[", join(sizes, ", "), "]");
}

bool is_attention_mask(const std::string& name, const std::vector<std::int64_t>& shape) {
  if (name.ends_with(kMask)) return shape.size() == 4 && shape[2] == shape[3];
  if (!name.ends_with(kMaskedValue)) return false;
  return std::all_of(shape.begin(), shape.end(), [](auto size) { return size == 1; });
}

StateDict read_state_dict(const std::filesystem::path& path) {
  const SafetensorsFile content =
      read_safetensors_file(path, [](const std::string& name, const TensorEntry& entry) {
        return !is_attention_mask(name, entry.shape);
      });
  StateDict found;
  const auto add = [&](const std::string& name, const TensorEntry& entry, const at::Tensor& tensor) {
    const auto [place, added] =
        found.try_emplace(without_wrappers(name), StateTensor{name, entry.shape, tensor});
    if (!added)
      throw UserError(str(path.string(), ": tensor ", place->first, " stands twice, as ", place->second.name,
                          " and as ", name));
  };
  const auto tensor_of = [&](const std::string& name) {
    const auto place = content.tensors.find(name);
    return place == content.tensors.end() ? at::Tensor() : place->second;
  };
  for (const auto& [name, entry] : content.entries) add(name, entry, tensor_of(name));
  for (const auto& [name, kept] : content.metadata) {
    const auto place = content.entries.find(kept);
    if (place != content.entries.end() && !content.entries.contains(name))
      add(name, place->second, tensor_of(kept));
  }
  return found;
}

}  // namespace kablate
