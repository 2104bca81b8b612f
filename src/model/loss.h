// Losses of what the output head says.
#pragma once

#include <cstdint>
#include <functional>

#include "config/model_options.h"
#include "model/dims.h"

namespace kablate {

// What the logits are made of: values·Wᵀ, computed in `type`. Of a large vocabulary they are the largest
// tensor of all, so that a loss gets this and may make them a few rows at a time.
struct Head {
  Tensor values_BTE, weight_VE;
  at::ScalarType type = at::kFloat;
  Limits limits = {};
  std::int64_t never = -1;  // an id that is never said: the softmax is without it
  Tensor balance =
      {};  // of the experts (model/experts.h), summed over layers; undefined where there are none

  Tensor logits() const;  // [B, T, V]
};

// The head at some of its B·T positions alone, [1, M] beside each other.
Head at_places(const Head& head, const Tensor& places_M);

// Calls use(first, logits [m, V]) for the head's positions in turn, as few at a time as a loss makes.
void for_logits(const Head& head, const std::function<void(std::int64_t first, const Tensor& logits)>& use);

// The weights of the targets that count (1 without `weights`), 0 of the others: their sum is what a mean is
// over.
Tensor counted_targets(const Tensor& targets, const Tensor& weights = {});

// Mean negative log-likelihood in nats of the targets [B, T] that are not kIgnoreIndex, in float32 at least.
// With weights [B, T]: the weighted sum over the sum of their weights.
Tensor cross_entropy(const Tensor& logits_BTV, const Tensor& targets_BT, const Tensor& weights_BT = {});

// The same mean for each sequence, [B] in float64.
Tensor sequence_cross_entropy(const Tensor& logits_BTV, const Tensor& targets_BT,
                              const Tensor& weights_BT = {});

// Of the head's logits: the same function where they are few; where they are many, pieced_cross_entropy().
Tensor head_cross_entropy(const Head& head, const Tensor& targets_BT, const Tensor& weights_BT = {});

// The mean with logits of `rows` positions at a time, none of them kept: their gradient is made beside them,
// in the forward pass, and summed in float32 (as Hsu et al. 2024, "Liger Kernel: Efficient Triton Kernels for
// LLM Training"). The gradient can be asked for once.
Tensor pieced_cross_entropy(const Head& head, const Tensor& targets_BT, std::int64_t rows,
                            const Tensor& weights_BT = {});

}  // namespace kablate
