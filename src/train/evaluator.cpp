#include "train/evaluator.h"

#include "config/config.h"
#include "data/sample_order.h"
#include "model/evaluation.h"
#include "train/token_hash.h"

namespace kablate {

Losses evaluate(const Config& config, const Gpt& model, const LossFunction& loss, const Dataset& data,
                c10::Device device, const std::function<void()>& between) {
  const std::int64_t T = model.spec().T, most = config.train.batch_size;
  const auto validation = evaluation_starts(data.validation().size(), T, config.train.eval_samples);
  const auto train = evaluation_starts(data.train().size(), T, static_cast<std::int64_t>(validation.size()));
  TokenChain tokens;
  const auto loss_on = [&](const TokenStream& stream, const std::vector<std::int64_t>& starts) {
    std::uint64_t sum = 0, place = 0;
    const double mean = mean_loss(model, loss, stream, starts, most, device, [&](const Batch& batch) {
      between();
      sum += token_sum(batch, place);
      place += static_cast<std::uint64_t>(batch.inputs.size(0));
    });
    tokens.add(sum);
    return mean;
  };
  Losses losses;
  losses.train = loss_on(data.train(), train);
  losses.validation = loss_on(data.validation(), validation);
  losses.tokens = tokens.digits();
  return losses;
}

}  // namespace kablate
