#include "train/train_step.h"

#include <cmath>

#include <ATen/ATen.h>

#include "optim/schedule.h"

namespace kablate {

TrainStep::TrainStep(const Config& config, const Gpt& model, const ParameterSet& parameters,
                     Optimizer& optimizer, LossFunction loss, const Dataset& data, const SampleOrder& order,
                     std::uint64_t seed)
    : config_(config),
      model_(model),
      parameters_(parameters),
      optimizer_(optimizer),
      loss_(std::move(loss)),
      data_(data),
      order_(order),
      seed_(seed) {}

StepResult TrainStep::run(std::int64_t iteration) {
  for (const auto& tensor : parameters_.tensors()) tensor.mutable_grad().reset();
  const auto first = static_cast<std::uint64_t>(iteration * config_.global_batch());
  StepResult result;
  for (std::int64_t piece = 0; piece < config_.train.accumulation; ++piece)
    result.loss += accumulate(first + static_cast<std::uint64_t>(piece * config_.train.batch_size));
  if (!std::isfinite(result.loss)) {
    result.update.finite = false;
    return result;
  }
  result.update = optimizer_.step(learning_rate(config_.optim, config_.train.max_iters, iteration));
  return result;
}

double TrainStep::accumulate(std::uint64_t first_sample) {
  const auto device = parameters_.tensors().front().device();
  const Batch batch = training_batch(data_.train(), order_, first_sample, config_.train.batch_size);
  const Dropout dropout =
      config_.gpt.dropout > 0 ? Dropout(config_.gpt.dropout, seed_, batch.samples) : Dropout();
  const Tensor loss = loss_(model_.head(batch.inputs.to(device), dropout), batch.targets.to(device)) /
                      static_cast<double>(config_.train.accumulation);
  loss.backward();
  return loss.item<double>();
}

}  // namespace kablate
