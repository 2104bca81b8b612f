#include "runner/timing.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <limits>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "config/settings.h"
#include "measure/cores.h"
#include "runner/process.h"
#include "runner/trial_command.h"
#include "train/stop_signal.h"

namespace kablate {
namespace {

double milliseconds_from(const ExitStatus& status) {
  constexpr std::string_view kPrefix = "kablate: ";
  std::string_view said = trim(status.output);
  if (status.code == kExitUserError)
    throw UserError(std::string(said.substr(said.starts_with(kPrefix) ? kPrefix.size() : 0)));
  const auto lines = split(said, '\n');
  const auto value = parse_real(trim(lines.back()));
  if (status.code != kExitDone || !value) throw WorkError("timing an iteration failed: " + std::string(said));
  return *value;
}

// 1, 2, 4, … and all cores.
std::vector<std::int64_t> thread_candidates(std::int64_t cores) {
  std::vector<std::int64_t> candidates;
  for (std::int64_t threads = 1; threads < cores; threads *= 2) candidates.push_back(threads);
  candidates.push_back(cores);
  return candidates;
}

// Passes a signal on that asks this process to stop.
ExitStatus end_of(ChildProcess& child) {
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
  for (auto& child : children) ends.push_back(end_of(child));
  throw_if_stop_requested();
  double slowest = 0;
  for (const auto& end : ends) slowest = std::max(slowest, milliseconds_from(end));
  return slowest;
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

std::int64_t parallel_trials(const Config& config, std::int64_t threads, std::int64_t cores, bool on_cpu) {
  if (config.run.parallel_trials > 0) return config.run.parallel_trials;
  return on_cpu ? std::max<std::int64_t>(1, cores / threads) : 1;
}

}  // namespace kablate
