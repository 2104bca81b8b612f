// AdamWSPAM (spec, section 8): AdamW that clips elements by their own history, damps its moments at a spike
// of the gradient norm, and forgets them every SPAM_INTERVAL updates. After SPAM (Huang et al. 2025, arXiv
// 2501.06842).
#pragma once

#include <deque>

#include "optim/moments.h"

namespace kablate {

class AdamWSpam final : public Optimizer {
 public:
  AdamWSpam(const OptimConfig& config, NamedParameters parameters, Communicator& ranks = one_rank());
  UpdateReport step(double learning_rate) override;
  void forget(const std::string& parameter, const at::Tensor& entries) override {
    moments_.forget(parameter, entries);
  }
  std::map<std::string, at::Tensor> state() const override;
  void load_state(const std::map<std::string, at::Tensor>& state) override;
  void all_have_loaded() override { moments_.all_have_loaded(); }

 private:
  std::int64_t clip_by_history(const std::vector<at::Tensor>& gradients) const;
  bool is_spike(double norm) const;
  double warmup_factor() const;

  OptimConfig config_;
  Moments moments_;
  std::int64_t updates_ = 0;     // all since the start
  std::int64_t last_reset_ = 0;  // the update (from 1) that reset; 0 is none yet
  std::deque<double> norms_;     // the last 100, oldest first
};

}  // namespace kablate
