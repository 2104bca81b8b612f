#include "measure/gpus.h"

#include <algorithm>
#include <cstdlib>

#include <ATen/Context.h>

#include "base/error.h"
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

std::string gpu_of_rank(const Variables& environment, std::int64_t place) {
  const auto set = environment.find("CUDA_VISIBLE_DEVICES");
  if (set == environment.end()) return std::to_string(place);
  const auto names = split(set->second, ',');
  if (names.size() == 1) return std::string(trim(names.front()));
  return place < std::ssize(names) ? std::string(trim(names[static_cast<std::size_t>(place)])) : "";
}

void see_gpu_of_rank(std::int64_t place, const std::string& host) {
#ifdef KABLATE_CUDA_LIBTORCH
  const auto name = gpu_of_rank(environment_variables(), place);
  if (name.empty())
    throw UserError(str("the ", place + 1, "th rank on ", host, " has no GPU: CUDA_VISIBLE_DEVICES = \"",
                        std::getenv("CUDA_VISIBLE_DEVICES"),
                        "\" names fewer; each rank needs one, or set DEVICE to cpu"));
  ::setenv("CUDA_VISIBLE_DEVICES", name.c_str(), /*overwrite=*/1);
#else
  (void)place, (void)host;
#endif
}

std::vector<std::string> visible_gpus() {
  const auto found = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  return gpu_names(environment_variables(), found);
}

GpuPool::GpuPool(std::vector<std::string> names) {
  for (auto& name : names) gpus_.push_back({.name = std::move(name)});
}

std::string GpuPool::take(std::int64_t count) {
  if (count == 0 || std::ssize(gpus_) <= count) return "";
  std::vector<Shared*> least;
  for (auto& gpu : gpus_) least.push_back(&gpu);
  std::stable_sort(least.begin(), least.end(),
                   [](const Shared* a, const Shared* b) { return a->users < b->users; });
  std::vector<std::string> names;
  for (const auto* gpu : least) names.push_back(gpu->name);
  names.resize(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < names.size(); ++i) ++least[i]->users;
  return join(names, ",");
}

void GpuPool::give_back(const std::string& names) {
  for (const auto& name : split(names, ','))
    for (auto& gpu : gpus_)
      if (gpu.name == name) --gpu.users;
}

}  // namespace kablate
