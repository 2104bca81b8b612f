// Options of an optimizer under which a few dozen updates take all of its branches.
#pragma once

#include "config/optim_options.h"

namespace kablate::testing_support {

// AdamWSPAM resets in updates 13, 25, 37 …, and warms up for 4 after each.
inline OptimConfig every_branch(OptimizerKind kind) {
  OptimConfig config;
  config.kind = kind;
  config.weight_decay = 0.1;
  config.beta1 = 0.9, config.beta2 = 0.99, config.epsilon = 1e-8;
  config.spam_clip = config.spam_reset = config.spam_warmup = true;
  config.spam_spike_threshold = 2;
  config.spam_interval = 12, config.spam_warmup_steps = 4;
  return config;
}

}  // namespace kablate::testing_support
