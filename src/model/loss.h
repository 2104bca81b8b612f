// Objectives: a function from the model's logits to one number; the train step is handed one.
#pragma once

#include <functional>

#include "model/dims.h"

namespace kablate {

// Logits [B, T, V] and targets [B, T] to a scalar; positions whose target is `ignore_index` do not count.
using LossFunction = std::function<Tensor(const Tensor& logits_BTV, const Tensor& targets_BT)>;

// Mean negative log-likelihood in nats, in float32 at least.
Tensor cross_entropy(const Tensor& logits_BTV, const Tensor& targets_BT);

// The same mean for each sequence, [B].
Tensor sequence_cross_entropy(const Tensor& logits_BTV, const Tensor& targets_BT);

}  // namespace kablate
