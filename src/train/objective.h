// What a model is trained for, from sequences to a loss, as a value: training, evaluation, knock-outs and
// gates are handed one, and none of them knows which.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/model_options.h"
#include "data/batch.h"
#include "model/gpt.h"

namespace kablate {

struct Config;

// A mean over what Objective::counts() says. Those of several batches are combined by their counts, so that
// it does not matter how a global batch is cut, nor how unequally the targets fall.
struct Term {
  std::string name;
  Tensor mean;        // scalar
  double factor = 1;  // of it in what is minimised; 0: watched only
};

// What one pass over a batch found.
struct Outcome {
  std::vector<Term> terms;  // the first is the objective itself, reported as the loss; auxiliary ones follow
  Tensor by_sequence_B;     // where asked for: the first term's mean for each sequence alone, float64
  // Of data with labels, where no gradient is: at each label the likeliest id, and the label.
  Tensor said_M = {}, labels_M = {};
};

class Objective {
 public:
  virtual ~Objective() = default;

  // The sequences with what the objective draws for them, by `seed` and their numbers alone.
  virtual Batch keyed(Batch batch, std::uint64_t seed) const;

  // Over how many things the means are that run() will give of this batch, in their order: known before the
  // pass, without a device. May be fractional, where targets are weighted.
  virtual std::vector<double> counts(const Batch& batch) const = 0;

  // The batch is on the model's device.
  virtual Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout,
                      bool by_sequence = false) const = 0;
};

// The objective of a configuration: cross entropy of the next token, in nats, over all targets; of data that
// have labels (config/synthetic.h) those, and the head is asked nowhere else. Beside it, where the MLPs'
// widths are learned, "unit_gate", the mean of σ over their gates, by MLP_WIDTH_PENALTY; where there are
// experts, "expert_balance" (model/experts.h) of what goes through the model at once, summed over layers, by
// MLP_BALANCE_WEIGHT. With OBJECTIVE = masked_token: that of the tokens which were masked, over them or,
// where each sequence has a rate of its own, over sequences; `mask_token` stands in their places and is never
// said.
std::shared_ptr<const Objective> make_objective(const Config& config, std::int64_t mask_token);

// The terms that MLPs add to any objective, and their counts beside one of `count`: the gates' mean is the
// same in every batch, whatever its count; the experts' balance is a mean over positions that are kept.
void add_mlp_terms(const MlpConfig& mlp, const Gpt& model, const Head& head, std::vector<Term>& terms);
void add_mlp_counts(const MlpConfig& mlp, const Batch& batch, double count, std::vector<double>& counts);

// The tensors of a batch on a device.
Batch on_device(Batch batch, c10::Device device);

}  // namespace kablate
