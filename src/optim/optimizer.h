// What an optimizer gives the training loop. Start here in optim/.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "config/optim_options.h"
#include "distributed/communicator.h"

namespace kablate {

// What one update did.
struct UpdateReport {
  bool finite = true;        // false: the gradient had a nan or inf; no weight, moment or counter was touched
  double grad_norm = 0;      // over all parameters, before the norm clip, after clipping by element
  double learning_rate = 0;  // as used: the schedule's, times the warm-up after a reset
  bool norm_clipped = false;
  std::int64_t clipped_elements = 0;
  bool spike = false, reset = false;
};

// Parameters are float32 leaves (master weights), contiguous, on one device; names as in checkpoints.
struct NamedParameters {
  std::vector<std::string> names;
  std::vector<at::Tensor> tensors;
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // One update from the parameters' gradients, which it may change (clipping). Throws c10::Error naming the
  // parameter if one has no gradient, or one of another type or shape.
  [[nodiscard]] virtual UpdateReport step(double learning_rate) = 0;

  // Sets the moments of these entries of a parameter to 0: bool, of its shape.
  virtual void forget(const std::string& parameter, const at::Tensor& entries) = 0;

  // All that the next steps depend on besides weights and gradients, as tensors to store: "m.<parameter>" and
  // "v.<parameter>" float32, counters int64 [1], norms float64. Moments are the live ones, not copies; where
  // ranks share them, copies of all of them, and after an update or all_have_loaded() the call is for all.
  virtual std::map<std::string, at::Tensor> state() const = 0;

  // Takes over what state() gave, bit for bit. Throws WorkError naming the tensor that is missing, unknown,
  // or of another type or shape; nothing was changed then.
  virtual void load_state(const std::map<std::string, at::Tensor>& state) = 0;

  // Says that every rank has loaded the same state: what a rank kept of the others' moments goes, and state()
  // is for all ranks from now on, as after an update.
  virtual void all_have_loaded() = 0;
};

// The one that OPTIMIZER names. Of several ranks each keeps the moments of its share of the parameters and
// updates it (share.h); gradients, and the calls of step() and forget(), are the same on all of them.
std::unique_ptr<Optimizer> make_optimizer(const OptimConfig& config, NamedParameters parameters,
                                          Communicator& ranks = one_rank());

}  // namespace kablate
