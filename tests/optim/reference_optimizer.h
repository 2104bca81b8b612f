// AdamW and AdamWSPAM written out for reading, in double
// precision and plain loops: spec, section 8, line by line.
#pragma once

#include <cstdint>
#include <vector>

#include "config/optim_options.h"

namespace kablate {

using Values = std::vector<double>;

struct ReferenceReport {
  double grad_norm = 0, learning_rate = 0;
  std::int64_t clipped_elements = 0;
  bool norm_clipped = false, spike = false, reset = false;
};

class ReferenceOptimizer {
 public:
  // `decays[i]`: whether tensor i has two or more dimensions.
  ReferenceOptimizer(const OptimConfig& config, std::vector<Values> weights, std::vector<bool> decays);
  ReferenceReport step(std::vector<Values> gradients, double learning_rate);
  const std::vector<Values>& weights() const { return weights_; }

 private:
  bool is_spike(double norm) const;

  OptimConfig config_;
  std::vector<Values> weights_, m_, v_;
  std::vector<bool> decays_;
  Values norms_;  // all of them
  int count_ = 0, updates_ = 0, last_reset_ = 0;
};

}  // namespace kablate
