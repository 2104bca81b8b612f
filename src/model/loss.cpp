#include "model/loss.h"

#include <ATen/ATen.h>

#include "data/batch.h"

namespace kablate {

Tensor cross_entropy(const Tensor& logits_BTV, const Tensor& targets_BT) {
  const auto type = logits_BTV.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  return at::cross_entropy_loss(logits_BTV.flatten(0, 1).to(type), targets_BT.flatten(), {},
                                at::Reduction::Mean, kIgnoreIndex);
}

Tensor sequence_cross_entropy(const Tensor& logits_BTV, const Tensor& targets_BT) {
  const auto type = logits_BTV.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const Tensor loss_N = at::cross_entropy_loss(logits_BTV.flatten(0, 1).to(type), targets_BT.flatten(), {},
                                               at::Reduction::None, kIgnoreIndex);
  const Tensor counted_B = targets_BT.ne(kIgnoreIndex).sum(1);
  return loss_N.view(targets_BT.sizes()).to(at::kDouble).sum(1) / counted_B;
}

}  // namespace kablate
