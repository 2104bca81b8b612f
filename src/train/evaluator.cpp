#include "train/evaluator.h"

#include "data/sample_order.h"
#include "model/evaluation.h"

namespace kablate {

Losses evaluate(const Config& config, const Gpt& model, const LossFunction& loss, const Dataset& data,
                c10::Device device, const std::function<void()>& between) {
  const std::int64_t T = model.spec().T, most = config.train.batch_size;
  const auto validation = evaluation_starts(data.validation().size(), T, config.train.eval_samples);
  const auto train = evaluation_starts(data.train().size(), T, static_cast<std::int64_t>(validation.size()));
  return {.train = mean_loss(model, loss, data.train(), train, most, device, between),
          .validation = mean_loss(model, loss, data.validation(), validation, most, device, between)};
}

}  // namespace kablate
