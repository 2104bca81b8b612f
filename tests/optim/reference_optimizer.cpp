#include "reference_optimizer.h"

#include <algorithm>
#include <cmath>

namespace kablate {
namespace {

double norm_of(const std::vector<Values>& tensors) {
  double sum = 0;
  for (const auto& tensor : tensors)
    for (const double value : tensor) sum += value * value;
  return std::sqrt(sum);
}

void multiply(std::vector<Values>& tensors, double factor) {
  for (auto& tensor : tensors)
    for (double& value : tensor) value *= factor;
}

}  // namespace

ReferenceOptimizer::ReferenceOptimizer(const OptimConfig& config, std::vector<Values> weights,
                                       std::vector<bool> decays)
    : config_(config), weights_(std::move(weights)), m_(weights_), v_(weights_), decays_(std::move(decays)) {
  multiply(m_, 0);
  multiply(v_, 0);
}

bool ReferenceOptimizer::is_spike(double norm) const {
  const auto first = norms_.size() > 100 ? norms_.end() - 100 : norms_.begin();
  const Values last(first, norms_.end());
  if (last.size() < 10) return false;
  double mean = 0, variance = 0;
  for (const double past : last) mean += past / static_cast<double>(last.size());
  for (const double past : last) variance += (past - mean) * (past - mean) / static_cast<double>(last.size());
  return variance > 0 && (norm - mean) / std::sqrt(variance) > config_.spam_spike_threshold;
}

ReferenceReport ReferenceOptimizer::step(std::vector<Values> g, double learning_rate) {
  const auto& c = config_;
  const bool spam = c.kind == OptimizerKind::kAdamWSpam;
  ReferenceReport report;
  ++updates_;
  // 1. Element-wise: |g| <= sqrt(theta v-hat).
  if (spam && c.spam_clip && count_ > 0)
    for (std::size_t i = 0; i < g.size(); ++i)
      for (std::size_t j = 0; j < g[i].size(); ++j) {
        const double limit = std::sqrt(c.spam_theta * v_[i][j] / (1 - std::pow(c.beta2, count_)));
        if (v_[i][j] == 0 || std::abs(g[i][j]) <= limit) continue;
        g[i][j] = g[i][j] > 0 ? limit : -limit;
        ++report.clipped_elements;
      }
  // 2. Spike.
  const double norm = report.grad_norm = norm_of(g);
  report.spike = spam && is_spike(norm);
  norms_.push_back(norm);
  if (report.spike) {
    multiply(m_, 0.5);
    multiply(v_, 0.9);
  }
  // 3. Global norm.
  report.norm_clipped = c.grad_clip > 0 && norm > c.grad_clip;
  if (report.norm_clipped) multiply(g, c.grad_clip / norm);
  // 4. Reset.
  report.reset = spam && c.spam_reset && updates_ > 1 && (updates_ - 1) % c.spam_interval == 0;
  if (report.reset) {
    multiply(m_, 0);
    multiply(v_, 0);
    count_ = 0;
    last_reset_ = updates_;
  }
  // 5. Warm-up after a reset.
  double lr = learning_rate;
  if (spam && c.spam_warmup && last_reset_ > 0 && updates_ - last_reset_ < c.spam_warmup_steps)
    lr *= std::max(1e-3, 0.5 * (1 - std::cos(M_PI * (updates_ - last_reset_) /
                                             static_cast<double>(c.spam_warmup_steps))));
  report.learning_rate = lr;
  // AdamW.
  ++count_;
  for (std::size_t i = 0; i < g.size(); ++i)
    for (std::size_t j = 0; j < g[i].size(); ++j) {
      double &w = weights_[i][j], &m = m_[i][j], &v = v_[i][j];
      if (decays_[i]) w -= lr * c.weight_decay * w;
      m = c.beta1 * m + (1 - c.beta1) * g[i][j];
      v = c.beta2 * v + (1 - c.beta2) * g[i][j] * g[i][j];
      w -= lr * (m / (1 - std::pow(c.beta1, count_))) /
           (std::sqrt(v / (1 - std::pow(c.beta2, count_))) + c.epsilon);
    }
  return report;
}

}  // namespace kablate
