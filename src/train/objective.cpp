#include "train/objective.h"

#include <ATen/ATen.h>

#include "config/config.h"
#include "model/loss.h"
#include "shape/policy.h"
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
  explicit NextToken(const MlpConfig& mlp) : mlp_(mlp) {}

  std::vector<double> counts(const Batch& batch) const override {
    const double targets = counted_targets(batch.targets, batch.weights).sum().item<double>();
    // What a model costs is the same in every batch: whatever its count, it is the mean of several.
    if (mlp_.learned_width) return {targets, targets};
    return {targets};
  }

  Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout, bool by_sequence) const override {
    const Head head = model.head(batch.inputs, dropout, batch.keep);
    Outcome outcome{
        .terms = {{.name = "loss", .mean = head_cross_entropy(head, batch.targets, batch.weights)}},
        .by_sequence_B = {}};
    if (mlp_.learned_width)
      outcome.terms.push_back(
          {.name = "unit_gate", .mean = model.mean_unit_gate(), .factor = mlp_.width_penalty});
    if (by_sequence) outcome.by_sequence_B = means_of_sequences(head, batch);
    return outcome;
  }

 private:
  MlpConfig mlp_;
};

}  // namespace

Batch Objective::keyed(Batch batch, std::uint64_t) const { return batch; }

std::shared_ptr<const Objective> make_objective(const Config& config, std::int64_t mask_token) {
  if (config.objective.masked()) return make_masked_token(config, mask_token);
  return std::make_shared<const NextToken>(config.mlp);
}

Batch on_device(Batch batch, c10::Device device) {
  for (Tensor* tensor : {&batch.inputs, &batch.targets, &batch.weights, &batch.draws, &batch.keep})
    if (tensor->defined()) *tensor = tensor->to(device);
  return batch;
}

}  // namespace kablate
