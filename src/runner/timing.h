// Timing before a run: how long an iteration takes, and how many threads a trial should get.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <c10/core/Device.h>

#include "base/json.h"
#include "config/model_options.h"

namespace kablate {

struct Config;

// Milliseconds of an iteration in a process of its own with `threads` threads, `copies` of which run at once;
// the slowest counts. Throws WorkError with what the process said, Interrupted after a signal.
double time_config(const Config& config, std::int64_t threads, std::int64_t copies, std::int64_t iterations);

// The same for several configurations, one after the other within the same processes, for `seconds` in all:
// empty for those that were not reached by then, or that can't be timed.
std::vector<std::optional<double>> time_configs(const std::vector<Config>& configs, std::int64_t threads,
                                                std::int64_t copies, std::int64_t iterations, double seconds);

// Floating-point operations a second of one large matrix product with `threads` threads, in a process of its
// own beside which nothing of ours runs. Throws WorkError, Interrupted after a signal.
double measure_peak(DeviceKind device, DType dtype, std::int64_t threads);

struct ThreadChoice {
  std::int64_t threads = 1;
  Json measured;  // the table behind it
  // How many cores others kept busy before the measurement; what was measured is then worth less.
  std::optional<double> busy_cores;
};

// The number of threads with which `num_trials` trials like this one end soonest on `cores` cores, by
// measurement (spec, section 6, THREADS).
ThreadChoice choose_threads(const Config& config, std::int64_t num_trials, std::int64_t cores);

// How many trials run at once: PARALLEL_TRIALS, or as many as the cores allow, or one a GPU where trials run
// on GPUs (a rank a GPU); on this machine, and on one with so many cores and GPUs (0: trials run on the CPU).
std::int64_t parallel_trials(const Config& config, std::int64_t threads, c10::Device device);
std::int64_t parallel_trials(const Config& config, std::int64_t threads, std::int64_t cores,
                             std::int64_t gpus);

}  // namespace kablate
