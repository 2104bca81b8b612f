// What a trial goes on from after an interruption: a folder for each of the latest two iterations saved, made
// under a temporary name and renamed, so that a whole one is always there.
//   checkpoint/<iteration>/weights.safetensors, state.safetensors, manifest.json (sealed; their SHA-256)
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "record/metrics.h"
#include "train/trainer.h"

namespace kablate {

// What a trial's attempts have taken so far.
struct Effort {
  std::int64_t interruptions = 0;
  double train_seconds = 0, wall_seconds = 0;
  std::int64_t peak_tensor_bytes = 0;
  std::optional<double> ms_per_iter;
};

struct Checkpoint {
  std::string key;         // of the trial
  std::string arithmetic;  // that made it (measure/arithmetic.h); "A+B" where it went on with another
  TrainerState trainer;
  LogMark log;  // the rows of every iteration before this one
  Effort effort;
};

// Throws WorkError (disk full …); the earlier checkpoints then stand.
void save_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);

// Gives the latest whole checkpoint to `take`, which throws if it can't go on from it; then, or if it is
// damaged, it is named in the log with the reason, and the one before it is tried. False if there is none, or
// none served.
bool load_checkpoint(const std::filesystem::path& folder, const std::function<void(const Checkpoint&)>& take);

// The iteration that a trial would go on from, by the manifests alone; 0 without a checkpoint.
std::int64_t checkpoint_iteration(const std::filesystem::path& folder);

}  // namespace kablate
