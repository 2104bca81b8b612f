#include "measure/gpus.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include <ATen/Context.h>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr const char* kVisible = "CUDA_VISIBLE_DEVICES";

}  // namespace

std::vector<std::string> gpu_names(const Variables& environment, std::int64_t found) {
  std::vector<std::string> names;
  if (const auto set = environment.find(kVisible); set != environment.end())
    for (const auto& name : split(set->second, ',')) names.emplace_back(trim(name));
  else
    for (std::int64_t i = 0; i < found; ++i) names.push_back(std::to_string(i));
  if (std::ssize(names) > found) names.resize(static_cast<std::size_t>(found));  // those behind a wrong one
  return names;
}

std::string gpu_of_rank(const Variables& environment) {
  const auto value = [&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  };
  auto place = value("OMPI_COMM_WORLD_LOCAL_RANK");
  if (!place) place = value("SLURM_LOCALID");
  const auto number = parse_int(place.value_or(""));
  if (!number || *number < 0)
    throw UserError(
        "neither OMPI_COMM_WORLD_LOCAL_RANK nor SLURM_LOCALID says which GPU is this rank's: "
        "start ranks on GPUs by `kablate run`");
  const auto given = value(kVisible);
  if (!given) return std::to_string(*number);
  const auto names = split(*given, ',');
  const auto own = names.size() == 1 ? 0 : *number;
  if (own >= std::ssize(names) || trim(names[static_cast<std::size_t>(own)]).empty())
    throw UserError(str(kVisible, " = \"", *given, "\" names no GPU for rank ", *number,
                        " of this host (from 0): each rank needs one; start fewer, or set DEVICE to cpu"));
  return std::string(trim(names[static_cast<std::size_t>(own)]));
}

void see_own_gpu() {
  const auto name = gpu_of_rank(environment_variables());
  ::setenv(kVisible, name.c_str(), /*overwrite=*/1);
  const auto found = at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
  if (found == 0)
    throw UserError(
        str("GPU ", name, " is not there (", kVisible,
            " names this rank's own): each rank of this host needs one; start fewer, or set DEVICE to "
            "cpu"));
  if (found > 1)
    throw UserError(str("the driver shows ", found, " GPUs and not ", name,
                        " alone: a library asked it before ", kVisible, " was set; set DEVICE to cpu"));
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
