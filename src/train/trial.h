// One trial: drives a Trainer (trainer.h) over its iterations and keeps what it gives in the trial's files
// (trial_files.h). Knows no ablation. Start here in train/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include <c10/core/Device.h>

#include "base/json.h"
#include "distributed/communicator.h"
#include "plan/key.h"
#include "record/layout.h"
#include "record/summary.h"

namespace kablate {

struct Config;

// What the runner decides for a trial, beside its configuration.
struct TrialOrder {
  std::int64_t step = 0, seed = 1, rerun_index = 0;
  std::string name;  // the step's
  std::string key;   // as planned; refused if the trial's own differs
  std::int64_t threads = 1, ranks = 1, beside = 0;
  std::string device = "cpu";   // device_class() of what it trains on: all of its ranks do
  double closing_share = 0.02;  // of the training's time, that evaluating the written weights may cost
  double peak_flops = 0;        // FLOP/s that utilisation is against; 0 where nobody measured it
  std::filesystem::path data_folder, source_folder;
  // Of a trial with another number of ranks, from whose checkpoint this one goes on if it has none itself.
  std::filesystem::path begun_in = {};
  Build build;
};

// describe_environment (measure/machine.h) and "kernels", those in use.
Json describe_trial_environment(const std::filesystem::path& source_folder, c10::Device device);

enum class TrialOutcome { kDone, kDiverged, kHeldByAnother };

// Trains the trial in `folder` from its start or its latest checkpoint and writes its configuration and
// results there, once it has claimed the folder. Threads must have been fixed (make_deterministic), tensors
// be counted and signals caught before. Throws Interrupted after a signal, with a checkpoint written;
// UserError and WorkError as what it calls.
// Of several ranks each calls it; the first alone claims, logs and writes, the others give kDone.
TrialOutcome run_trial(const TrialFolder& folder, const TrialOrder& order, const Config& config,
                       Communicator& ranks = one_rank());

struct IterationCost {
  double milliseconds = 0;             // median
  std::int64_t peak_tensor_bytes = 0;  // as in a trial's summary
};

constexpr std::int64_t kTimingWarmup = 2;  // iterations

// What an iteration costs, over `iterations` after kTimingWarmup that aren't timed. Writes nothing. Throws
// Interrupted after a signal.
IterationCost time_iterations(const Config& config, std::int64_t iterations,
                              const std::filesystem::path& data_folder);

}  // namespace kablate
