#include "measure/machine.h"

#include <fstream>

#include <dlfcn.h>
#include <omp.h>
#include <sys/utsname.h>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "measure/arithmetic.h"
#include "measure/checkout.h"
#include "measure/cores.h"
#include "measure/variables.h"

namespace kablate {
namespace {

// The value of the first line of /proc/cpuinfo or /proc/meminfo that starts with `key`.
std::string proc_value(const char* file, std::string_view key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key)) return std::string(trim(line.substr(line.find(':') + 1)));
  return "unknown";
}

// Which of the libraries that can serve OpenMP does: the first that was loaded.
std::string openmp_library() {
  Dl_info found{};
  const auto* function = reinterpret_cast<void*>(&omp_get_max_threads);
  return ::dladdr(function, &found) != 0 && found.dli_fname != nullptr ? found.dli_fname : "unknown";
}

Json describe_changes(const std::filesystem::path& folder) {
  const auto changes = source_changes(folder);
  return {{"bytes", changes.bytes}, {"sha256", changes.sha256}};
}

}  // namespace

c10::Device resolve_device(DeviceKind kind) {
  const bool cuda = at::hasCUDA();
  if (kind == DeviceKind::kCuda && !cuda)
    throw UserError(
        "DEVICE = cuda: this LibTorch finds no CUDA device here; set DEVICE to cpu or auto, or build "
        "with a CUDA LibTorch on a machine with a GPU (README, Requirements)");
  return kind == DeviceKind::kCpu || !cuda ? c10::Device(c10::kCPU) : c10::Device(c10::kCUDA, 0);
}

bool torch_is_cuda_build() {
#ifdef KABLATE_CUDA_LIBTORCH
  return true;
#else
  return false;
#endif
}

c10::Device device_here(DeviceKind kind) {
  return resolve_device(kind == DeviceKind::kCuda ? DeviceKind::kAuto : kind);
}

std::string device_class(c10::Device device) {
  return c10::DeviceTypeName(device.type(), /*lower_case=*/true);
}

std::string host_name() {
  utsname system{};
  ::uname(&system);
  return system.nodename;
}

void make_deterministic(std::int64_t threads) {
  at::set_num_threads(static_cast<int>(threads));
  at::set_num_interop_threads(1);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  // Every element is written before it is read; filling fresh memory first would only cost time.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  at::globalContext().setBenchmarkCuDNN(false);
  // A model that is sure of its answers has probabilities below 1e-38, on which processors are slow:
  // iterations took up to five times as long. LibTorch sets it in all of its threads.
  at::globalContext().setFlushDenormal(true);
}

double matmul_flops_per_second(c10::Device device, DType dtype, const std::function<void()>& between) {
  const at::NoGradGuard no_grad;
  constexpr std::int64_t kSmallest = 128;
  constexpr double kLong = 0.05;  // seconds of one product, after which none of twice the size is tried
  const std::int64_t largest = device.is_cpu() ? 1024 : 8192;
  const auto type = dtype == DType::kBFloat16 ? at::kBFloat16 : at::kFloat;
  const auto options = at::TensorOptions().dtype(type).device(device);
  double best = 0;
  const auto seconds_of_product = [&](const at::Tensor& a) {
    between();
    const Stopwatch watch;
    at::mm(a, a)[0][0].item<float>();  // reading one element waits for the device
    const double n = static_cast<double>(a.size(0));
    best = std::max(best, 2 * n * n * n / watch.seconds());
    return watch.seconds();
  };
  std::int64_t n = kSmallest;
  at::mm(at::ones({n, n}, options), at::ones({n, n}, options))[0][0].item<float>();  // libraries load here
  while (seconds_of_product(at::ones({n, n}, options)) < kLong && n < largest) n *= 2;
  const at::Tensor a = at::ones({n, n}, options);
  for (int round = 0; round < 5; ++round) seconds_of_product(a);
  return best;
}

Json describe_environment(const std::filesystem::path& source_folder, c10::Device device) {
  utsname system{};
  ::uname(&system);
  const Json arithmetic = describe_arithmetic(device);
  Json git = describe_checkout(source_folder);
  git["changes"] = describe_changes(source_folder);
  return {{"cpu", proc_value("/proc/cpuinfo", "model name")},
          {"cores", available_cores()},
          {"memory", proc_value("/proc/meminfo", "MemTotal")},
          {"host", host_name()},
          {"system", str(system.sysname, " ", system.release, " ", system.machine)},
          {"libtorch", torch_version()},
          {"cuda", at::hasCUDA()},
          {"openmp", openmp_library()},
          {"waiting", variables_of_waiting(environment_variables())},
          {"git", git},
          {"arithmetic", arithmetic},
          {"arithmetic_id", arithmetic_id(arithmetic)}};
}

}  // namespace kablate
