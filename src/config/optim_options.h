// Options of the optimizer and its schedule.
#pragma once

#include <cstdint>

namespace kablate {

enum class OptimizerKind { kAdamWSpam, kAdamW };
enum class PruneKind { kNone, kMagnitude, kMoments };

// Entries of maps that are set to 0 while they train (config/pruning.h says when and how many).
struct PruneConfig {
  PruneKind kind = PruneKind::kNone;  // by which score: |w|, or |w|·√v̂
  double sparsity = 0;                // reached at `end`
  std::int64_t begin = 0, end = 0, interval = 0;
  bool on() const { return kind != PruneKind::kNone; }
};

struct OptimConfig {
  OptimizerKind kind = OptimizerKind::kAdamWSpam;
  double learning_rate = 0, min_learning_rate = 0, weight_decay = 0, grad_clip = 0;
  double beta1 = 0, beta2 = 0, epsilon = 0;
  bool decay_all = false;  // vectors and biases too
  bool decay_learning_rate = false;
  std::int64_t warmup_steps = 0;
  bool spam_clip = false, spam_reset = false, spam_warmup = false;
  double spam_theta = 0, spam_spike_threshold = 0;
  std::int64_t spam_interval = 0, spam_warmup_steps = 0;
  PruneConfig prune;
};

}  // namespace kablate
