#include "train/labelled.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace kablate {

Tensor rows_of(const Tensor& x_BT, const Tensor& places_M) {
  return x_BT.flatten(0, 1).index_select(0, places_M);
}

Labelled::Labelled(const Head& all, const Batch& batch) {
  places_M = batch.targets.flatten().ne(kIgnoreIndex).nonzero().squeeze(1);
  targets_M = rows_of(batch.targets, places_M);
  // Their sum is what a sum of losses is divided by, and multiplied by again.
  if (batch.weights.defined()) weights_M = rows_of(batch.weights, places_M).to(at::kDouble);
  head = at_places(all, places_M);
}

Tensor Labelled::mean() const {
  if (none()) return head.values_BTE.sum();
  return head_cross_entropy(head, targets_M.unsqueeze(0),
                            weights_M.defined() ? weights_M.unsqueeze(0) : Tensor());
}

Tensor Labelled::losses_M() const {
  std::vector<Tensor> losses{at::empty({0}, head.values_BTE.options().dtype(at::kDouble))};
  for_logits(head, [&](std::int64_t first, const Tensor& logits) {
    const Tensor targets = targets_M.narrow(0, first, logits.size(0)).unsqueeze(1);
    losses.push_back(sequence_cross_entropy(logits.unsqueeze(1), targets));
  });
  return at::cat(losses);
}

Tensor Labelled::said_M() const {
  std::vector<Tensor> said{at::empty({0}, targets_M.options())};
  for_logits(head, [&](std::int64_t, const Tensor& logits) { said.push_back(logits.argmax(1)); });
  return at::cat(said);
}

Tensor Labelled::sums_B(const Tensor& x_M, std::int64_t B, std::int64_t T) const {
  return at::zeros({B}, x_M.options()).index_add_(0, places_M.div(T, "floor"), x_M);
}

void AccuracyTally::add(const Tensor& said_M, const Tensor& labels_M) {
  const Tensor said = said_M.cpu().contiguous(), labels = labels_M.cpu().contiguous();
  const auto* here = said.const_data_ptr<std::int64_t>();
  const auto* wanted = labels.const_data_ptr<std::int64_t>();
  const auto of = [&](std::int64_t id) -> OfId& {
    const auto place = static_cast<std::size_t>(id);
    if (place >= ids_.size()) ids_.resize(place + 1);
    return ids_[place];
  };
  for (std::int64_t i = 0; i < labels.numel(); ++i) {
    const bool right = here[i] == wanted[i];
    ++count_, right_ += right;
    ++of(here[i]).said;
    auto& label = of(wanted[i]);
    ++label.labels, label.right += right;
  }
}

double AccuracyTally::micro() const { return static_cast<double>(right_) / static_cast<double>(count_); }

double AccuracyTally::macro() const {
  double sum = 0;
  std::int64_t ids = 0;
  for (const auto& id : ids_) {
    if (id.labels == 0 && id.said == 0) continue;
    ++ids;
    if (id.labels > 0) sum += static_cast<double>(id.right) / static_cast<double>(id.labels);
  }
  return sum / static_cast<double>(ids);
}

}  // namespace kablate
