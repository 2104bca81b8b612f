// The part that AdamW and AdamWSPAM share: two moments a parameter, and the update made of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "config/optim_options.h"
#include "optim/optimizer.h"
#include "optim/share.h"

namespace kablate {

constexpr const char* kBiasUpdates = "bias_updates";  // of a state: the updates since the moments were last 0

class Moments {
 public:
  // Of several ranks each keeps its own share, and every call that changes moments or weights is for all.
  Moments(const OptimConfig& config, NamedParameters parameters, Communicator& ranks);

  const Share& share() const { return share_; }

  // This rank's share of the gradients. Throws c10::Error naming a parameter without one.
  std::vector<at::Tensor> gradients() const;

  // AdamW (Loshchilov and Hutter 2019), t = number of updates since the moments were last 0, this one
  // included:
  //   p <- p (1 - lr wd)                 wd = 0 for tensors of fewer than 2 dimensions, and for what is
  //                                      named a bias: those of several heads are rows of one tensor;
  //                                      ADAM_DECAY_ALL leaves none out
  //   m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2
  //   p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
  // of this rank's share; then the others' come to it.
  void update(const std::vector<at::Tensor>& gradients, double learning_rate);

  void scale(double first, double second);                               // m <- first m, v <- second v
  void reset();                                                          // m <- 0, v <- 0, t <- 0
  void forget(const std::string& parameter, const at::Tensor& entries);  // Optimizer::forget

  std::int64_t updates() const { return updates_; }                  // t so far
  const std::vector<at::Tensor>& second() const { return second_; }  // of the share

  // For Optimizer::state: the moments and t (kBiasUpdates). Collective as there.
  void save(std::map<std::string, at::Tensor>& state) const;
  // Names, types and shapes against this object's own; `counters` are the further int64 [1] tensors that
  // belong in the state, `others` names that the caller checks itself. Throws WorkError.
  void check(const std::map<std::string, at::Tensor>& state, const std::vector<std::string>& counters,
             const std::vector<std::string>& others) const;
  void load(const std::map<std::string, at::Tensor>& state);  // REQUIRES: check() passed
  void all_have_loaded();                                     // Optimizer::all_have_loaded

 private:
  // Parameters that share a weight decay: places in the lists.
  struct Group {
    double weight_decay = 0;
    std::vector<std::size_t> members;
  };

  double beta1_, beta2_, epsilon_;
  NamedParameters parameters_;
  Share share_;
  std::vector<at::Tensor> own_, first_, second_;  // of the share: parameters, m, v
  std::vector<Group> groups_;                     // places in these lists
  std::int64_t updates_ = 0;
  // Of several ranks: what load() was given, while state() is this rank's alone.
  std::map<std::string, at::Tensor> loaded_;
  bool alone_ = true;
};

// An int64 as a tensor of the state, and back.
at::Tensor counter_tensor(std::int64_t value);
std::int64_t counter_value(const at::Tensor& tensor);

}  // namespace kablate
