#include "train/objective.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "config/config.h"
#include "model/loss.h"
#include "shape/policy.h"
#include "train/labelled.h"
#include "train/masked_token.h"

namespace kablate {
namespace {

// Where the head makes its logits in pieces, a sequence's at a time.
Tensor means_of_sequences(const Head& head, const Batch& batch) {
  const auto N = batch.targets.numel();
  if (head_rows(N, head.weight_VE.size(0), head.limits) == N)
    return sequence_cross_entropy(head.logits(), batch.targets, batch.weights);
  std::vector<Tensor> means;
  for (std::int64_t b = 0; b < batch.targets.size(0); ++b) {
    const auto one = [&](const Tensor& all) { return all.defined() ? all.narrow(0, b, 1) : all; };
    const Head alone{one(head.values_BTE), head.weight_VE, head.type, head.limits, head.never};
    means.push_back(sequence_cross_entropy(alone.logits(), one(batch.targets), one(batch.weights)));
  }
  return at::cat(means);
}

class NextToken final : public Objective {
 public:
  explicit NextToken(const MlpConfig& mlp, bool labelled) : mlp_(mlp), labelled_(labelled) {}

  std::vector<double> counts(const Batch& batch) const override {
    const double targets = counted_targets(batch.targets, batch.weights).sum().item<double>();
    std::vector<double> counts{targets};
    add_mlp_counts(mlp_, batch, targets, counts);
    return counts;
  }

  Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout, bool by_sequence) const override {
    const Head head = model.head(batch.inputs, dropout, batch.keep);
    Outcome outcome = labelled_ ? at_labels(head, batch, by_sequence) : everywhere(head, batch, by_sequence);
    add_mlp_terms(mlp_, model, head, outcome.terms);
    return outcome;
  }

 private:
  static Outcome everywhere(const Head& head, const Batch& batch, bool by_sequence) {
    Outcome outcome{
        .terms = {{.name = "loss", .mean = head_cross_entropy(head, batch.targets, batch.weights)}},
        .by_sequence_B = {}};
    if (by_sequence) outcome.by_sequence_B = means_of_sequences(head, batch);
    return outcome;
  }

  // The same loss. An evaluation asks what is said there too, a training step need not know.
  static Outcome at_labels(const Head& head, const Batch& batch, bool by_sequence) {
    const Labelled labelled(head, batch);
    Outcome outcome{.terms = {{.name = "loss", .mean = labelled.mean()}}, .by_sequence_B = {}};
    if (!at::GradMode::is_enabled())
      outcome.said_M = labelled.said_M(), outcome.labels_M = labelled.targets_M;
    if (!by_sequence) return outcome;
    const auto B = batch.targets.size(0), T = batch.targets.size(1);
    const Tensor losses_M = labelled.losses_M();
    outcome.by_sequence_B = labelled.sums_B(losses_M, B, T) / labelled.sums_B(at::ones_like(losses_M), B, T);
    return outcome;
  }

  MlpConfig mlp_;
  bool labelled_;
};

}  // namespace

Batch Objective::keyed(Batch batch, std::uint64_t) const { return batch; }

std::shared_ptr<const Objective> make_objective(const Config& config, std::int64_t mask_token) {
  if (config.objective.masked()) return make_masked_token(config, mask_token);
  return std::make_shared<const NextToken>(config.mlp, config.data.is_synthetic());
}

void add_mlp_terms(const MlpConfig& mlp, const Gpt& model, const Head& head, std::vector<Term>& terms) {
  if (mlp.learned_width)
    terms.push_back({.name = "unit_gate", .mean = model.mean_unit_gate(), .factor = mlp.width_penalty});
  if (mlp.routed())
    terms.push_back({.name = "expert_balance", .mean = head.balance, .factor = mlp.balance_weight});
}

void add_mlp_counts(const MlpConfig& mlp, const Batch& batch, double count, std::vector<double>& counts) {
  if (mlp.learned_width) counts.push_back(count);
  if (!mlp.routed()) return;
  const auto kept = batch.keep.defined() ? batch.keep.sum().item<std::int64_t>() : batch.inputs.numel();
  counts.push_back(static_cast<double>(kept));
}

Batch on_device(Batch batch, c10::Device device) {
  for (Tensor* tensor : {&batch.inputs, &batch.targets, &batch.weights, &batch.draws, &batch.keep})
    if (tensor->defined()) *tensor = tensor->to(device);
  return batch;
}

}  // namespace kablate
