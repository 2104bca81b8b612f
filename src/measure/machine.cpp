#include "measure/machine.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>

#include <sched.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/version.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

// The value of the first line of /proc/cpuinfo or /proc/meminfo that starts with `key`.
std::string proc_value(const char* file, std::string_view key) {
  std::ifstream lines(file);
  for (std::string line; std::getline(lines, line);)
    if (line.starts_with(key)) return std::string(trim(line.substr(line.find(':') + 1)));
  return "unknown";
}

struct Command {
  int status = -1;
  std::string output;
};

// Runs `git -C folder arguments`; the folder's name is quoted for the shell.
Command git(const std::filesystem::path& folder, const std::string& arguments) {
  std::string quoted = "'";
  for (const char c : folder.string()) quoted += c == '\'' ? "'\\''" : std::string(1, c);
  const std::string line = "git -C " + quoted + "' " + arguments + " 2>&1";
  Command command;
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(line.c_str(), "r"), [](FILE*) { return 0; });
  if (pipe == nullptr) return command;
  std::array<char, 4096> buffer;
  while (const auto size = std::fread(buffer.data(), 1, buffer.size(), pipe.get()))
    command.output.append(buffer.data(), size);
  command.status = ::pclose(pipe.get());
  return command;
}

Json describe_git(const std::filesystem::path& folder) {
  const Command head = git(folder, "rev-parse HEAD");
  if (head.status != 0)
    return {{"commit", "unknown"}, {"reason", std::string(trim(head.output.substr(0, 300)))}};
  const Command status = git(folder, "status --porcelain");
  return {{"commit", std::string(trim(head.output))},
          {"dirty", status.status == 0 ? Json(!trim(status.output).empty()) : Json("unknown")}};
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

std::string device_class(c10::Device device) {
  return c10::DeviceTypeName(device.type(), /*lower_case=*/true);
}

std::string torch_version() { return TORCH_VERSION; }

std::int64_t available_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return CPU_COUNT(&set);
}

std::string host_name() {
  utsname system{};
  ::uname(&system);
  return system.nodename;
}

void make_deterministic(std::int64_t threads) {
  at::set_num_threads(static_cast<int>(threads));
  at::set_num_interop_threads(1);
  ::setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8",
           /*overwrite=*/0);  // without it cuBLAS may split sums as it likes
  // Float32 is float32, whatever the environment allows oneDNN.
  ::setenv("ONEDNN_DEFAULT_FPMATH_MODE", "STRICT", /*overwrite=*/1);
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/false);
  // Every element is written before it is read; filling fresh memory first would only cost time.
  at::globalContext().setDeterministicFillUninitializedMemory(false);
  at::globalContext().setBenchmarkCuDNN(false);
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
  while (seconds_of_product(at::ones({n, n}, options)) < kLong && n < largest) n *= 2;
  const at::Tensor a = at::ones({n, n}, options);
  for (int round = 0; round < 5; ++round) seconds_of_product(a);
  return best;
}

Json describe_environment(const std::filesystem::path& source_folder) {
  utsname system{};
  ::uname(&system);
  return {{"cpu", proc_value("/proc/cpuinfo", "model name")},
          {"cores", available_cores()},
          {"memory", proc_value("/proc/meminfo", "MemTotal")},
          {"host", host_name()},
          {"system", str(system.sysname, " ", system.release, " ", system.machine)},
          {"compiler", str("GCC ", __VERSION__)},
          {"libtorch", torch_version()},
          {"cpu_capability", at::get_cpu_capability()},
          {"cuda", at::hasCUDA()},
          {"git", describe_git(source_folder)}};
}

std::string uncommitted_changes(const std::filesystem::path& source_folder) {
  const Command diff = git(source_folder, "diff HEAD");
  return diff.status == 0 ? diff.output : "";
}

}  // namespace kablate
