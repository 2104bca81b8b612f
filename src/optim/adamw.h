// AdamW with a global norm clip.
#pragma once

#include "optim/moments.h"

namespace kablate {

class AdamW final : public Optimizer {
 public:
  AdamW(const OptimConfig& config, NamedParameters parameters, Communicator& ranks = one_rank());
  UpdateReport step(double learning_rate) override;
  void forget(const std::string& parameter, const at::Tensor& entries) override {
    moments_.forget(parameter, entries);
  }
  std::map<std::string, at::Tensor> state() const override;
  void load_state(const std::map<std::string, at::Tensor>& state) override;
  void all_have_loaded() override { moments_.all_have_loaded(); }

 private:
  double max_norm_;  // GRAD_CLIP; 0 is off
  Moments moments_;
};

}  // namespace kablate
