#include "optim/adamw.h"

#include <cmath>

#include <ATen/core/grad_mode.h>

#include "optim/clip.h"

namespace kablate {

AdamW::AdamW(const OptimConfig& config, NamedParameters parameters, Communicator& ranks)
    : max_norm_(config.grad_clip), moments_(config, std::move(parameters), ranks) {}

UpdateReport AdamW::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  const auto gradients = moments_.gradients();
  UpdateReport report;
  report.learning_rate = learning_rate;
  report.grad_norm = moments_.share().global_norm(gradients);
  report.finite = std::isfinite(report.grad_norm);
  if (!report.finite) return report;
  report.norm_clipped = clip_by_norm(gradients, report.grad_norm, max_norm_);
  moments_.update(gradients, learning_rate);
  return report;
}

std::map<std::string, at::Tensor> AdamW::state() const {
  std::map<std::string, at::Tensor> state;
  moments_.save(state);
  return state;
}

void AdamW::load_state(const std::map<std::string, at::Tensor>& state) {
  moments_.check(state, {}, {});
  moments_.load(state);
}

}  // namespace kablate
