#include "measure/variables.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

extern char** environ;

namespace kablate {
namespace {

// How often a thread of libgomp, which LibTorch's packages bring, looks for work before it sleeps. Its own
// choice of 300,000 is 10 ms and more: beside another busy process it burns the time slice of the thread that
// it waits for. Between two parallel regions of an iteration lie microseconds, which this many looks still
// cover. Where cores are shared thread_waiting.h makes it less.
constexpr std::string_view kSpinCount = "10000";

// Set again and again to one value, whatever was there.
const Variables kSet = {{"CUBLAS_WORKSPACE_CONFIG", ":4096:8"}, {"ONEDNN_DEFAULT_FPMATH_MODE", "STRICT"}};

constexpr std::array<std::string_view, 7> kRemoved = {"DNNL_DEFAULT_FPMATH_MODE",
                                                      "NVIDIA_TF32_OVERRIDE",
                                                      "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
                                                      "OMP_DYNAMIC",
                                                      "OMP_THREAD_LIMIT",
                                                      "OMP_NESTED",
                                                      "OMP_MAX_ACTIVE_LEVELS"};

constexpr std::array<std::string_view, 4> kWaiting = {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME",
                                                      "KMP_LIBRARY"};

// Families of variables by what they begin with.
constexpr std::array<std::string_view, 13> kFamilies = {
    "ATEN_",     "ONEDNN_", "DNNL_",  "MKL_",  "OMP_",    "GOMP_",         "KMP_",
    "OPENBLAS_", "CUBLAS",  "CUDNN_", "CUDA_", "NVIDIA_", "GLIBC_TUNABLES"};

// Of these families, what says how many threads (a trial sets them itself), where they run, which GPU is seen
// (its name is recorded) or what is printed.
constexpr std::array<std::string_view, 16> kHarmless = {
    "NUM_THREADS", "VERBOSE",   "DISPLAY_ENV",  "DISPLAY_AFFINITY",
    "AFFINITY",    "PROC_BIND", "PLACES",       "STACKSIZE",
    "VISIBLE",     "_HOME",     "_PATH",        "_VERSION",
    "REQUIRE",     "JIT_DUMP",  "DEVICE_ORDER", "CAPABILITIES"};

template <typename Names>
bool has(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

Settling settling_of(const Variables& environment) {
  Settling settling;
  for (const auto& [name, value] : kSet) {
    const auto found = environment.find(name);
    if (found != environment.end() && found->second == value) continue;
    settling.set[name] = value;
    settling.misread |= found != environment.end();
  }
  for (const auto name : kRemoved)
    if (environment.contains(std::string(name))) settling.removed.emplace_back(name);
  settling.misread |= !settling.removed.empty();
  settling.waits_otherwise = variables_of_waiting(environment).empty();
  if (settling.waits_otherwise) settling.set["GOMP_SPINCOUNT"] = kSpinCount;
  return settling;
}

void settle_environment(char* const* arguments, bool computes) {
  const auto environment = environment_variables();
  const auto settling = settling_of(environment);
  for (const auto& name : settling.removed) {
    log_info(str(name, " = ", environment.at(name),
                 " is taken out of the environment: it would change what a trial computes"));
    ::unsetenv(name.c_str());
  }
  for (const auto& [name, value] : settling.set) {
    if (const auto found = environment.find(name); found != environment.end())
      log_info(str(name, " = ", found->second, " gives way to ", value,
                   ": it would change what a trial computes"));
    ::setenv(name.c_str(), value.c_str(), /*overwrite=*/1);
  }
  if (!settling.misread && !(computes && settling.waits_otherwise)) return;
  ::execv("/proc/self/exe", arguments);
  throw WorkError(str("the program can't be started again with the variables that it needs (",
                      std::strerror(errno), ")"));
}

Variables variables_of_arithmetic(const Variables& environment) {
  Variables found;
  for (const auto& [name, value] : environment) {
    const auto begins = [&name](std::string_view family) { return name.starts_with(family); };
    const auto holds = [&name](std::string_view part) { return name.find(part) != std::string::npos; };
    if (std::none_of(kFamilies.begin(), kFamilies.end(), begins)) continue;
    if (has(kWaiting, name) || std::any_of(kHarmless.begin(), kHarmless.end(), holds)) continue;
    if (kSet.contains(name) || has(kRemoved, name)) continue;  // the same in every trial
    found[name] = value;
  }
  return found;
}

Variables variables_of_waiting(const Variables& environment) {
  Variables found;
  for (const auto name : kWaiting)
    if (const auto at = environment.find(std::string(name)); at != environment.end()) found.insert(*at);
  return found;
}

bool waits_as_settled(const Variables& environment) {
  return variables_of_waiting(environment) == Variables{{"GOMP_SPINCOUNT", std::string(kSpinCount)}};
}

Variables environment_variables() {
  Variables variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view line = *entry;
    const auto equals = line.find('=');
    if (equals != std::string_view::npos) variables.emplace(line.substr(0, equals), line.substr(equals + 1));
  }
  return variables;
}

}  // namespace kablate
