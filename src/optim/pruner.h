// Pruning of maps while they train (config/pruning.h says when, and to which sparsity). An entry that was
// pruned is 0 in weight, gradient and both moments from then on: with no gradient and no moments neither
// optimizer moves it, and weight decay leaves 0 what is 0.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "config/optim_options.h"
#include "optim/optimizer.h"

namespace kablate {

class Pruner {
 public:
  // `maps`: what may be pruned (Parameter::prunable), each by itself. With PRUNE = none it keeps and does
  // nothing.
  Pruner(const OptimConfig& config, NamedParameters maps);

  bool on() const { return config_.prune.on(); }

  // Sets the gradient of pruned entries to 0: to be called before the optimizer measures it.
  void mask_gradients() const;

  // To be called after each update that `optimizer`, whose parameters the maps are among, has made, by its
  // number from 1. Where a pruning is due, each map loses entries until ⌊s·n⌋ of its n are 0.
  void after_update(std::int64_t update, Optimizer& optimizer);

  double sparsity() const;  // pruned entries over all entries of the maps

  // Which entries are pruned: "pruned.<map>" bool, of the map's shape. The live ones, not copies.
  std::map<std::string, at::Tensor> state() const;
  // Whether this is the state of these maps after so many updates. Throws WorkError naming the tensor that is
  // missing, unknown, of another type or shape, or has another number of entries pruned.
  void check_state(const std::map<std::string, at::Tensor>& state, std::int64_t updates) const;
  // Takes it over, bit for bit. REQUIRES: names and shapes as in state().
  void load_state(const std::map<std::string, at::Tensor>& state);

 private:
  OptimConfig config_;
  NamedParameters maps_;
  std::vector<at::Tensor> pruned_;
  std::int64_t num_pruned_ = 0, num_entries_ = 0;
};

constexpr const char* kPrunedPrefix = "pruned.";

// The `count` entries of least score: pruned ones first, of equal ones those of the lower index. Bool, of the
// weight's shape and device. The score, in float64, is |w|; or |w|·√(v / correction) where `second` is
// defined, the moment v that belongs to it. A weight that is no number has the greatest score.
// REQUIRES: weight and moment are float32 and contiguous; `count` is no fewer than are pruned.
at::Tensor least_entries(const at::Tensor& weight, const at::Tensor& second, double correction,
                         const at::Tensor& pruned, std::int64_t count);

}  // namespace kablate
