#include "measure/gpus.h"

#include <algorithm>

#include <ATen/Context.h>

#include "base/text.h"

namespace kablate {

std::vector<std::string> gpu_names(const Variables& environment, std::int64_t found) {
  std::vector<std::string> names;
  if (const auto set = environment.find("CUDA_VISIBLE_DEVICES"); set != environment.end())
    for (const auto& name : split(set->second, ',')) names.emplace_back(trim(name));
  else
    for (std::int64_t i = 0; i < found; ++i) names.push_back(std::to_string(i));
  if (std::ssize(names) > found) names.resize(static_cast<std::size_t>(found));  // those behind a wrong one
  return names;
}

std::vector<std::string> visible_gpus() {
  const auto found = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  return gpu_names(environment_variables(), found);
}

GpuPool::GpuPool(std::vector<std::string> names) {
  for (auto& name : names) gpus_.push_back({.name = std::move(name)});
}

std::string GpuPool::take() {
  if (gpus_.size() < 2) return "";
  auto& least = *std::min_element(gpus_.begin(), gpus_.end(),
                                  [](const Shared& a, const Shared& b) { return a.users < b.users; });
  ++least.users;
  return least.name;
}

void GpuPool::give_back(const std::string& name) {
  for (auto& gpu : gpus_)
    if (gpu.name == name) --gpu.users;
}

}  // namespace kablate
