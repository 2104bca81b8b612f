#include "optim/adamw_spam.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include "base/error.h"
#include "base/text.h"
#include "optim/clip.h"

namespace kablate {
namespace {

constexpr std::size_t kNormsKept = 100;  // a norm is judged by so many before it
constexpr std::size_t kNormsNeeded = 10;
constexpr double kSpikeFirst = 0.5, kSpikeSecond = 0.9;  // what a spike leaves of the moments
constexpr double kLeastFactor = 1e-3;                    // of the warm-up after a reset

constexpr const char *kUpdates = "updates", *kLastReset = "last_reset", *kNorms = "norms";

}  // namespace

AdamWSpam::AdamWSpam(const OptimConfig& config, NamedParameters parameters, Communicator& ranks)
    : config_(config), moments_(config, std::move(parameters), ranks) {}

UpdateReport AdamWSpam::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  const auto gradients = moments_.gradients();
  UpdateReport report;
  // The raw norm first: clipping by element would turn an inf into a number.
  report.grad_norm = moments_.share().global_norm(gradients);
  report.learning_rate = learning_rate;
  report.finite = std::isfinite(report.grad_norm);
  if (!report.finite) return report;

  ++updates_;
  report.clipped_elements = clip_by_history(gradients);
  if (report.clipped_elements > 0) report.grad_norm = moments_.share().global_norm(gradients);

  report.spike = is_spike(report.grad_norm);
  norms_.push_back(report.grad_norm);
  if (norms_.size() > kNormsKept) norms_.pop_front();
  if (report.spike) moments_.scale(kSpikeFirst, kSpikeSecond);

  report.norm_clipped = clip_by_norm(gradients, report.grad_norm, config_.grad_clip);

  report.reset = config_.spam_reset && updates_ > 1 && (updates_ - 1) % config_.spam_interval == 0;
  if (report.reset) {
    moments_.reset();
    last_reset_ = updates_;
  }
  report.learning_rate = learning_rate * warmup_factor();
  moments_.update(gradients, report.learning_rate);
  return report;
}

std::int64_t AdamWSpam::clip_by_history(const std::vector<at::Tensor>& gradients) const {
  const auto past = static_cast<double>(moments_.updates());
  if (!config_.spam_clip || past == 0) return 0;  // no history: v is 0 everywhere
  return moments_.share().sum(
      clip_elements(gradients, moments_.second(), config_.spam_theta / (1 - std::pow(config_.beta2, past))));
}

bool AdamWSpam::is_spike(double norm) const {
  if (norms_.size() < kNormsNeeded) return false;
  const auto count = static_cast<double>(norms_.size());
  // Relative to the first norm, so that equal norms have a deviation of exactly 0.
  double mean = 0, variance = 0;
  for (const double past : norms_) mean += (past - norms_.front()) / count;
  for (const double past : norms_) variance += std::pow(past - norms_.front() - mean, 2) / count;
  const double deviation = std::sqrt(variance);
  return deviation > 0 && (norm - norms_.front() - mean) / deviation > config_.spam_spike_threshold;
}

double AdamWSpam::warmup_factor() const {
  const std::int64_t elapsed = updates_ - last_reset_;
  if (!config_.spam_warmup || last_reset_ == 0 || elapsed >= config_.spam_warmup_steps) return 1;
  const double progress = static_cast<double>(elapsed) / static_cast<double>(config_.spam_warmup_steps);
  return std::max(kLeastFactor, 0.5 * (1 - std::cos(std::numbers::pi * progress)));
}

std::map<std::string, at::Tensor> AdamWSpam::state() const {
  std::map<std::string, at::Tensor> state;
  moments_.save(state);
  state[kUpdates] = counter_tensor(updates_);
  state[kLastReset] = counter_tensor(last_reset_);
  auto norms = at::empty({static_cast<std::int64_t>(norms_.size())}, at::kDouble);
  std::copy(norms_.begin(), norms_.end(), norms.mutable_data_ptr<double>());
  state[kNorms] = norms;
  return state;
}

void AdamWSpam::load_state(const std::map<std::string, at::Tensor>& state) {
  moments_.check(state, {kUpdates, kLastReset}, {kNorms});
  const auto found = state.find(kNorms);
  if (found == state.end())
    throw WorkError(kablate::str("optimizer state: tensor \"", kNorms, "\" is missing"));
  const auto norms = found->second.cpu().contiguous();
  if (norms.scalar_type() != at::kDouble || norms.dim() != 1 || norms.numel() > std::int64_t{kNormsKept})
    throw WorkError(kablate::str("optimizer state: tensor \"", kNorms, "\" is ", norms.scalar_type(), " ",
                                 norms.sizes(), ", expected Double with at most ", kNormsKept, " values"));
  moments_.load(state);
  updates_ = counter_value(state.at(kUpdates));
  last_reset_ = counter_value(state.at(kLastReset));
  const auto* first = norms.const_data_ptr<double>();
  norms_.assign(first, first + norms.numel());
}

}  // namespace kablate
