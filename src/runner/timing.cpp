#include "runner/timing.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "config/enum_names.h"
#include "config/settings.h"
#include "measure/cores.h"
#include "measure/gpus.h"
#include "runner/process.h"
#include "runner/retrain.h"
#include "runner/trial_command.h"

namespace kablate {
namespace {

double last_number(const ExitStatus& status, const char* what) {
  constexpr std::string_view kPrefix = "kablate: ";
  std::string_view said = trim(status.output);
  if (status.code == kExitUserError)
    throw UserError(std::string(said.substr(said.starts_with(kPrefix) ? kPrefix.size() : 0)));
  const auto lines = split(said, '\n');
  const auto value = parse_real(trim(lines.back()));
  if (status.code != kExitDone || !value) throw WorkError(str(what, " failed: ", said));
  return *value;
}

// The numbers that a child printed, one a line; a line that is none (a warning of a library) is left out, and
// so is the last where it is not whole.
std::vector<double> numbers_in(const std::string& output) {
  auto lines = split(output, '\n');
  lines.pop_back();
  std::vector<double> numbers;
  for (const auto& line : lines)
    if (const auto value = parse_real(trim(line))) numbers.push_back(*value);
  return numbers;
}

// The slowest copy's time of each configuration that all of them reached.
void add_copy(const std::vector<double>& times, bool first, std::vector<std::optional<double>>& slowest) {
  for (std::size_t i = 0; i < slowest.size(); ++i) {
    if (i >= times.size() || (!first && !slowest[i]))
      slowest[i].reset();
    else
      slowest[i] = std::max(times[i], slowest[i].value_or(0));
  }
}

// 1, 2, 4, … and all cores.
std::vector<std::int64_t> thread_candidates(std::int64_t cores) {
  std::vector<std::int64_t> candidates;
  for (std::int64_t threads = 1; threads < cores; threads *= 2) candidates.push_back(threads);
  candidates.push_back(cores);
  return candidates;
}

// Passes a signal on that asks this process to stop.
ExitStatus end_of_child(ChildProcess& child) {
  using namespace std::chrono_literals;
  bool passed_on = false;
  while (true) {
    if (auto status = child.poll()) return *status;
    if (stop_requested() && !std::exchange(passed_on, true)) child.signal(SIGTERM);
    std::this_thread::sleep_for(5ms);
  }
}

}  // namespace

double time_config(const Config& config, std::int64_t threads, std::int64_t copies, std::int64_t iterations) {
  std::vector<ChildProcess> children;
  for (std::int64_t i = 0; i < copies; ++i)
    children.emplace_back(
        std::vector<std::string>{"time", "--config", kFromInput, "--threads", std::to_string(threads),
                                 "--iterations", std::to_string(iterations)},
        full_dotconfig(config));
  std::vector<ExitStatus> ends;
  for (auto& child : children) ends.push_back(end_of_child(child));
  throw_if_stop_requested();
  double slowest = 0;
  for (const auto& end : ends) slowest = std::max(slowest, last_number(end, "timing an iteration"));
  return slowest;
}

std::vector<std::optional<double>> time_configs(const std::vector<Config>& configs, std::int64_t threads,
                                                std::int64_t copies, std::int64_t iterations,
                                                double seconds) {
  using namespace std::chrono_literals;
  const ScratchFolder scratch;
  std::vector<std::string> arguments{"time", "--threads", std::to_string(threads), "--iterations",
                                     std::to_string(iterations)};
  for (std::size_t i = 0; i < configs.size(); ++i) {
    const auto file = scratch.path() / str(i, ".config");
    write_file(file, full_dotconfig(configs[i]));
    arguments.insert(arguments.end(), {"--config", file.string()});
  }
  const Stopwatch watch;
  std::vector<ChildProcess> children;
  for (std::int64_t i = 0; i < copies; ++i) children.emplace_back(arguments);
  std::vector<std::optional<double>> slowest(configs.size());
  bool first = true;
  for (auto& child : children) {
    auto end = child.poll();
    for (; !end && watch.seconds() < seconds && !stop_requested(); end = child.poll())
      std::this_thread::sleep_for(10ms);
    if (!end) {
      child.signal(SIGKILL);
      end = child.wait();
    }
    add_copy(numbers_in(end->output), std::exchange(first, false), slowest);
  }
  throw_if_stop_requested();
  return slowest;
}

double measure_peak(DeviceKind device, DType dtype, std::int64_t threads) {
  ChildProcess child({"peak", "--device", enum_name(device), "--dtype", dtype_name(dtype), "--threads",
                      std::to_string(threads)});
  const auto end = end_of_child(child);
  throw_if_stop_requested();
  return last_number(end, "measuring a matrix product");
}

ThreadChoice choose_threads(const Config& config, std::int64_t num_trials, std::int64_t cores) {
  constexpr std::int64_t kIterations = 6;
  ThreadChoice choice;
  choice.measured = Json::array();
  choice.busy_cores = busy_cores(/*seconds=*/0.3);
  double best = std::numeric_limits<double>::infinity();
  for (const auto threads : thread_candidates(cores)) {
    const std::int64_t copies = std::clamp<std::int64_t>(cores / threads, 1, num_trials);
    const double ms = time_config(config, threads, copies, kIterations);
    const double rounds = static_cast<double>((num_trials + copies - 1) / copies);
    choice.measured.push_back({{"threads", threads}, {"copies", copies}, {"ms_per_iter", ms}});
    if (rounds * ms < best) best = rounds * ms, choice.threads = threads;
  }
  return choice;
}

std::int64_t parallel_trials(const Config& config, std::int64_t threads, std::int64_t cores,
                             std::int64_t gpus) {
  if (config.run.parallel_trials > 0) return config.run.parallel_trials;
  if (gpus > 0) return std::max<std::int64_t>(1, gpus / config.run.ranks);
  return std::max<std::int64_t>(1, cores / (threads * config.run.ranks));
}

std::int64_t parallel_trials(const Config& config, std::int64_t threads, c10::Device device) {
  auto gpus = device.is_cpu() ? 0 : std::max<std::int64_t>(1, std::ssize(visible_gpus()));
  // Ranks that srun or a list of hosts spreads over machines take the first GPUs of each: so would another
  // trial's.
  if (gpus > 0 && config.run.ranks > 1 && !ranks_stay_here()) gpus = 1;
  return parallel_trials(config, threads, available_cores(), gpus);
}

}  // namespace kablate
