#include "train/train_step.h"

#include <cmath>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "optim/schedule.h"
#include "train/token_hash.h"

namespace kablate {

TrainStep::TrainStep(const Config& config, const Gpt& model, const ParameterSet& parameters,
                     Optimizer& optimizer, LossFunction loss, const Dataset& data, const SampleOrder& order,
                     std::uint64_t seed, Communicator& ranks)
    : config_(config),
      model_(model),
      parameters_(parameters),
      optimizer_(optimizer),
      loss_(std::move(loss)),
      data_(data),
      order_(order),
      seed_(seed),
      ranks_(ranks) {
  if (config.train.accumulation % ranks.size() != 0)
    throw UserError(str("GPT2_GRADIENT_ACCUMULATION = ", config.train.accumulation, ": allowed with ",
                        ranks.size(),
                        " ranks: a multiple of their number, so that each takes as many pieces"));
}

StepResult TrainStep::run(std::int64_t iteration) {
  for (const auto& tensor : parameters_.tensors()) tensor.mutable_grad().reset();
  const auto first = static_cast<std::uint64_t>(iteration * config_.global_batch());
  StepResult result;
  for (std::int64_t piece = ranks_.rank(); piece < config_.train.accumulation; piece += ranks_.size())
    accumulate(first, piece, result);
  sum_over_ranks(result);
  if (!std::isfinite(result.loss)) {
    result.update.finite = false;
    return result;
  }
  result.update = optimizer_.step(learning_rate(config_.optim, config_.train.max_iters, iteration));
  return result;
}

void TrainStep::accumulate(std::uint64_t first, std::int64_t piece, StepResult& result) {
  const auto device = parameters_.tensors().front().device();
  const auto place = static_cast<std::uint64_t>(piece * config_.train.batch_size);
  const Batch batch = training_batch(data_.train(), order_, first + place, config_.train.batch_size);
  const Dropout dropout =
      config_.gpt.dropout > 0 ? Dropout(config_.gpt.dropout, seed_, batch.samples) : Dropout();
  const Tensor loss = loss_(model_.head(batch.inputs.to(device), dropout), batch.targets.to(device)) /
                      static_cast<double>(config_.train.accumulation);
  loss.backward();
  result.loss += loss.item<double>();
  result.tokens += token_sum(batch, place);
}

void TrainStep::sum_over_ranks(StepResult& result) const {
  if (ranks_.size() == 1) return;
  const Tensor loss = at::full({1}, result.loss, at::kDouble);
  const Tensor tokens = at::full({1}, static_cast<std::int64_t>(result.tokens), at::kLong);
  std::vector<Tensor> sums{loss, tokens};
  for (const auto& tensor : parameters_.tensors())
    if (tensor.grad().defined()) sums.push_back(tensor.grad());
  ranks_.all_reduce_sum(sums);
  result.loss = loss.item<double>();
  result.tokens = static_cast<std::uint64_t>(tokens.item<std::int64_t>());
}

}  // namespace kablate
