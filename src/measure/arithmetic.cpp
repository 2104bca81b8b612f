#include "measure/arithmetic.h"

#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <vector>

#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <unistd.h>

#include <ATen/ATen.h>
#include <ATen/Version.h>

#include "base/hash.h"
#include "base/text.h"
#include "measure/variables.h"

namespace kablate {
namespace {

// One of LibTorch's build settings, as loaded; "unknown" where it does not say.
std::string build_setting(const std::string& name) {
  const std::string config = at::show_config(), sought = name + "=";
  const auto at = config.find(sought);
  if (at == std::string::npos) return "unknown";
  const auto begin = at + sought.size();
  return config.substr(begin, config.find_first_of(", \n", begin) - begin);
}

// Of the first processor in /proc/cpuinfo.
std::map<std::string, std::string> processor() {
  std::map<std::string, std::string> values;
  std::ifstream lines("/proc/cpuinfo");
  for (std::string line; std::getline(lines, line) && !trim(line).empty();)
    if (const auto colon = line.find(':'); colon != std::string::npos)
      values[std::string(trim(line.substr(0, colon)))] = trim(line.substr(colon + 1));
  return values;
}

// Of all flags those that name instructions to compute with.
std::string features(const std::string& flags) {
  std::vector<std::string> kept;
  for (const auto& flag : split(flags, ' '))
    for (const auto* begin :
         {"sse", "ssse", "avx", "fma", "f16c", "bmi", "amx", "asimd", "sve", "bf16", "i8mm"})
      if (flag.starts_with(begin)) {
        kept.push_back(flag);
        break;
      }
  return join(kept, " ");
}

// Libraries cut their sums into pieces that fit.
std::string cache_sizes() {
  std::vector<std::string> sizes;
  for (const int name : {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE, _SC_LEVEL3_CACHE_SIZE})
    sizes.push_back(str(::sysconf(name)));
  return join(sizes, " ");
}

Json describe_processor() {
  auto values = processor();
  const auto first = [&](const std::vector<const char*>& names) {
    std::vector<std::string> found;
    for (const auto* name : names)
      if (values.contains(name)) found.push_back(values[name]);
    return found.empty() ? std::string("unknown") : join(found, " ");
  };
  return {{"model", first({"model name"})},
          {"id", first({"vendor_id", "cpu family", "model", "stepping", "CPU implementer", "CPU part",
                        "CPU revision"})},
          {"features", features(values.contains("flags") ? values["flags"] : values["Features"])},
          {"caches", cache_sizes()}};
}

// What LibTorch says of the libraries in it, a line each; of its long line on how it was built, which commit
// and a hash.
std::vector<std::string> library_lines() {
  std::vector<std::string> lines;
  for (const auto& line : split(at::show_config(), '\n')) {
    std::string text(trim(line));
    if (!text.starts_with("- ") || text.starts_with("- CPU capability")) continue;
    text.erase(0, 2);
    if (text.starts_with("Build settings"))
      text = str("LibTorch ", build_setting("TORCH_VERSION"), ", commit ", build_setting("COMMIT_SHA"),
                 ", build settings ", hex(sha256(text)).substr(0, 16));
    lines.push_back(text);
  }
  return lines;
}

// MKL's own word on the instructions that it uses (mkl_cbwr_get_auto_branch of its interface), where MKL is
// there.
std::string mkl_branch() {
  using Branch = int (*)();
  const auto ask = reinterpret_cast<Branch>(::dlsym(RTLD_DEFAULT, "mkl_serv_cbwr_get_auto_branch"));
  return ask != nullptr ? str(ask()) : "none";
}

// Asked of the driver's library, which a build for GPUs has loaded; so no toolkit is needed here.
Json describe_gpu(c10::Device device) {
  if (!device.is_cuda()) return nullptr;
  std::string name = "unknown", version = "unknown";
  if (void* driver = ::dlopen("libcuda.so.1", RTLD_LAZY)) {
    using Name = int (*)(char*, int, int);
    using Version = int (*)(int*);
    std::array<char, 256> text{};
    int number = 0;
    const auto ask_name = reinterpret_cast<Name>(::dlsym(driver, "cuDeviceGetName"));
    const auto ask_version = reinterpret_cast<Version>(::dlsym(driver, "cuDriverGetVersion"));
    if (ask_name != nullptr && ask_name(text.data(), static_cast<int>(text.size()), device.index()) == 0)
      name = text.data();
    if (ask_version != nullptr && ask_version(&number) == 0) version = str(number);
  }
  std::string line;
  if (std::ifstream module("/proc/driver/nvidia/version"); std::getline(module, line)) version += ", " + line;
  return {{"name", name}, {"driver", version}};
}

}  // namespace

std::string torch_version() { return build_setting("TORCH_VERSION"); }

Json describe_arithmetic(c10::Device device) {
  return {{"cpu", describe_processor()},
          {"aten", at::get_cpu_capability()},
          {"libraries", library_lines()},
          {"mkl_branch", mkl_branch()},
          {"libc", ::gnu_get_libc_version()},
          {"gpu", describe_gpu(device)},
          {"variables", variables_of_arithmetic(environment_variables())}};
}

std::string arithmetic_id(const Json& arithmetic) { return hex(sha256(arithmetic.dump())).substr(0, 16); }

}  // namespace kablate
