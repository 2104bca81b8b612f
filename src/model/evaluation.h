// The loss of a model over given windows of a token stream, without dropout or gradient.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/batch.h"
#include "data/dataset.h"
#include "model/gpt.h"
#include "model/loss.h"

namespace kablate {

// The mean of `loss` over the windows that begin at `starts`, `most` in a batch: a batch counts as its
// number of windows. `before` is called with each batch before it is evaluated; it may throw to stop.
double mean_loss(const Gpt& model, const LossFunction& loss, const TokenStream& tokens,
                 const std::vector<std::int64_t>& starts, std::int64_t most, c10::Device device,
                 const std::function<void(const Batch&)>& before);

}  // namespace kablate
