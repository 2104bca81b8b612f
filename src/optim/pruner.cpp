#include "optim/pruner.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>

#include "base/error.h"
#include "base/text.h"
#include "config/pruning.h"
#include "optim/moments.h"

namespace kablate {
namespace {

constexpr std::int64_t kGrain = 16384;
constexpr double kPruned = -1;  // below every score

// What entries are chosen by; asked twice, so that only one number an entry is kept.
struct Scores {
  const float* weight;
  const float* second;  // null: magnitudes
  double correction;
  const bool* pruned;

  double at(std::int64_t i) const {
    if (pruned[i]) return kPruned;
    double score = std::abs(static_cast<double>(weight[i]));
    if (second != nullptr) score *= std::sqrt(static_cast<double>(second[i]) / correction);
    return std::isnan(score) ? std::numeric_limits<double>::infinity() : score;
  }
};

// The count-th least of n scores.
double threshold_of(const Scores& scores, std::int64_t n, std::int64_t count) {
  at::Tensor all = at::empty({n}, at::kDouble);  // a tensor, so that the allocator counts it
  auto* values = all.mutable_data_ptr<double>();
  at::parallel_for(0, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = begin; i < end; ++i) values[i] = scores.at(i);
  });
  std::nth_element(values, values + count - 1, values + n);
  return values[count - 1];
}

std::int64_t number_of(const at::Tensor& pruned) { return pruned.sum().item<std::int64_t>(); }

WorkError wrong_mask(const std::string& name, const std::string& why) {
  return WorkError(kablate::str("state of pruning: tensor \"", name, "\" ", why));
}

}  // namespace

Pruner::Pruner(const OptimConfig& config, NamedParameters maps) : config_(config), maps_(std::move(maps)) {
  if (!on()) return;
  for (const auto& map : maps_.tensors) {
    pruned_.push_back(at::zeros_like(map, at::kBool).detach());
    num_entries_ += map.numel();
  }
}

void Pruner::mask_gradients() const {
  if (num_pruned_ == 0) return;
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < pruned_.size(); ++i)
    maps_.tensors[i].mutable_grad().masked_fill_(pruned_[i], 0);
}

void Pruner::after_update(std::int64_t update, Optimizer& optimizer) {
  if (!prunes_after(config_, update)) return;
  const at::NoGradGuard no_grad;
  const double sparsity = sparsity_by(config_, update);
  const bool by_moments = config_.prune.kind == PruneKind::kMoments;
  const auto state = by_moments ? optimizer.state() : std::map<std::string, at::Tensor>();
  const double updates = by_moments ? static_cast<double>(counter_value(state.at(kBiasUpdates))) : 0;
  const double correction = 1 - std::pow(config_.beta2, updates);
  num_pruned_ = 0;
  for (std::size_t i = 0; i < pruned_.size(); ++i) {
    const auto& map = maps_.tensors[i];
    const auto count = pruned_entries(sparsity, map.numel());
    const at::Tensor second = by_moments ? state.at("v." + maps_.names[i]) : at::Tensor();
    pruned_[i] = least_entries(map, second, correction, pruned_[i], count);
    num_pruned_ += count;
    map.masked_fill_(pruned_[i], 0);
    optimizer.forget(maps_.names[i], pruned_[i]);
  }
}

double Pruner::sparsity() const {
  return num_entries_ == 0 ? 0 : static_cast<double>(num_pruned_) / static_cast<double>(num_entries_);
}

std::map<std::string, at::Tensor> Pruner::state() const {
  std::map<std::string, at::Tensor> state;
  for (std::size_t i = 0; i < pruned_.size(); ++i) state[kPrunedPrefix + maps_.names[i]] = pruned_[i];
  return state;
}

void Pruner::check_state(const std::map<std::string, at::Tensor>& state, std::int64_t updates) const {
  const double sparsity = sparsity_by(config_, updates);
  const auto own = this->state();
  for (const auto& [name, pruned] : own) {
    const auto found = state.find(name);
    if (found == state.end()) throw wrong_mask(name, "is missing");
    const at::Tensor& tensor = found->second;
    if (tensor.scalar_type() != at::kBool || tensor.sizes() != pruned.sizes())
      throw wrong_mask(name, kablate::str("is ", tensor.scalar_type(), " ", tensor.sizes(),
                                          ", expected Bool ", pruned.sizes()));
    const auto count = number_of(tensor), expected = pruned_entries(sparsity, pruned.numel());
    if (count != expected)
      throw wrong_mask(name, kablate::str("has ", count, " entries pruned, expected ", expected, " after ",
                                          updates, " updates"));
  }
  for (const auto& [name, tensor] : state)
    if (!own.contains(name)) throw wrong_mask(name, "does not belong to this model");
}

void Pruner::load_state(const std::map<std::string, at::Tensor>& state) {
  num_pruned_ = 0;
  for (std::size_t i = 0; i < pruned_.size(); ++i) {
    pruned_[i].copy_(state.at(kPrunedPrefix + maps_.names[i]));
    num_pruned_ += number_of(pruned_[i]);
  }
}

at::Tensor least_entries(const at::Tensor& weight, const at::Tensor& second, double correction,
                         const at::Tensor& pruned, std::int64_t count) {
  const at::NoGradGuard no_grad;
  const at::Tensor w = weight.detach().cpu(), v = second.defined() ? second.cpu() : second,
                   before = pruned.cpu();
  const auto n = w.numel();
  TORCH_CHECK(number_of(before) <= count && count <= n, "to prune ", count, " of ", n, " entries, of which ",
              number_of(before), " are pruned");
  if (count == 0) return pruned;
  const Scores scores{w.const_data_ptr<float>(), v.defined() ? v.const_data_ptr<float>() : nullptr,
                      correction, before.const_data_ptr<bool>()};
  const double threshold = threshold_of(scores, n, count);
  at::Tensor found = before.clone();
  auto* chosen = found.mutable_data_ptr<bool>();
  std::int64_t left = count;
  for (std::int64_t i = 0; i < n; ++i)
    if (scores.at(i) < threshold) chosen[i] = true, --left;
  for (std::int64_t i = 0; i < n && left > 0; ++i)
    if (scores.at(i) == threshold) chosen[i] = true, --left;
  return found.to(weight.device());
}

}  // namespace kablate
