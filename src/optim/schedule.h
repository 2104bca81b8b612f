// The learning rate of an iteration (spec, section 4).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "config/optim_options.h"

namespace kablate {

// Iteration i counts from 0. Linear warm-up lr (i + 1) / (warmup + 1) for i < warmup; from there, with
// GPT2_DECAY_LR, half a cosine from lr at i = warmup to GPT2_MIN_LR at i = max_iters and after; without, lr.
inline double learning_rate(const OptimConfig& optim, std::int64_t max_iters, std::int64_t i) {
  const std::int64_t warmup = optim.warmup_steps;
  const double peak = optim.learning_rate, least = optim.min_learning_rate;
  if (i < warmup) return peak * static_cast<double>(i + 1) / static_cast<double>(warmup + 1);
  if (!optim.decay_learning_rate) return peak;
  if (i >= max_iters) return least;
  const double progress = static_cast<double>(i - warmup) / static_cast<double>(max_iters - warmup);
  return least + 0.5 * (1 + std::cos(std::numbers::pi * progress)) * (peak - least);
}

}  // namespace kablate
