#include "train/objective.h"

#include <ATen/ATen.h>

#include "model/loss.h"
#include "shape/policy.h"

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
    const Head alone{one(head.values_BTE), head.weight_VE, head.type, head.limits};
    means.push_back(sequence_cross_entropy(alone.logits(), one(batch.targets), one(batch.weights)));
  }
  return at::cat(means);
}

class NextToken final : public Objective {
 public:
  std::vector<double> counts(const Batch& batch) const override {
    return {counted_targets(batch.targets, batch.weights).sum().item<double>()};
  }

  Outcome run(const Gpt& model, const Batch& batch, const Dropout& dropout, bool by_sequence) const override {
    const Head head = model.head(batch.inputs, dropout);
    Outcome outcome{
        .terms = {{.name = "loss", .mean = head_cross_entropy(head, batch.targets, batch.weights)}},
        .by_sequence_B = {}};
    if (by_sequence) outcome.by_sequence_B = means_of_sequences(head, batch);
    return outcome;
  }
};

}  // namespace

Batch Objective::keyed(Batch batch, std::uint64_t) const { return batch; }

std::shared_ptr<const Objective> make_objective(const Config&) { return std::make_shared<const NextToken>(); }

Batch on_device(Batch batch, c10::Device device) {
  for (Tensor* tensor : {&batch.inputs, &batch.targets, &batch.weights})
    if (tensor->defined()) *tensor = tensor->to(device);
  return batch;
}

}  // namespace kablate
