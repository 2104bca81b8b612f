#include <algorithm>
#include <vector>

#include <ATen/Parallel.h>

#include "base/clock.h"
#include "base/stop_signal.h"
#include "config/config.h"
#include "measure/machine.h"
#include "measure/memory.h"
#include "measure/thread_waiting.h"
#include "model/kernel/choice.h"
#include "train/trainer.h"
#include "train/trial.h"

namespace kablate {

IterationCost time_iterations(const Config& config, std::int64_t iterations,
                              const std::filesystem::path& data_folder) {
  use_kernels(config.run.kernels, resolve_device(config.run.device));
  Trainer trainer(config, /*seed=*/1, open_dataset(config, data_folder));
  const auto device = trainer.session().device;
  std::vector<double> times;
  ThreadWaiting waiting(at::get_num_threads());
  reset_peak_tensor_bytes(device);
  for (std::int64_t i = 0; i < kTimingWarmup + iterations; ++i) {
    throw_if_stop_requested();
    waiting.look();
    const Stopwatch watch;
    trainer.update();
    if (i >= kTimingWarmup) times.push_back(watch.milliseconds());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2), times.end());
  return {times[times.size() / 2], peak_tensor_bytes_measured(device)};
}

}  // namespace kablate
