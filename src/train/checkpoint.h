// What a trial goes on from after an interruption: a folder for each of the latest two iterations saved, made
// under a temporary name and renamed, so that a whole one is always there.
//   checkpoint/<iteration>/weights.safetensors, state.safetensors, manifest.json (their SHA-256)
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "interchange/safetensors.h"

namespace kablate {

// What the optimizer did besides updating, since the start of the trial.
struct UpdateCounts {
  std::int64_t clipped_elements = 0, spikes = 0, resets = 0;
};

struct Checkpoint {
  std::int64_t iteration = 0;  // updates made
  std::int64_t interruptions = 0;
  double train_seconds = 0, wall_seconds = 0;  // over all attempts so far
  UpdateCounts counts;
  std::int64_t peak_tensor_bytes = 0;
  std::optional<double> ms_per_iter;
  NamedTensors weights, optimizer;
};

// Throws WorkError (disk full …); the earlier checkpoints then stand.
void save_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint);

// The latest whole one; empty if there is none. A damaged
// one is named in the log, and the one before it is used.
std::optional<Checkpoint> load_checkpoint(const std::filesystem::path& folder);

}  // namespace kablate
