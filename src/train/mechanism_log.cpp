#include "train/mechanism_log.h"

#include <algorithm>
#include <span>

#include <ATen/ATen.h>

#include "config/mechanism.h"
#include "data/sample_order.h"
#include "train/evaluator.h"

namespace kablate {

std::vector<MechanismRow> mechanism_rows(const Config& config, const Gpt& model, const Dataset& data,
                                         c10::Device device, std::int64_t iteration) {
  if (mechanisms_on(config).empty() && !config.mlp.learned_width && !config.mlp.routed()) return {};
  const std::int64_t T = config.gpt.context;
  const auto numbers = evaluation_windows(data.num_windows(Split::kValidation, T), config.train.eval_samples);
  const auto count = std::min(numbers.size(), static_cast<std::size_t>(config.train.batch_size));
  // As an evaluation reads them: what an objective masks is masked.
  const Batch batch = on_device(
      make_objective(config, data.vocabulary())
          ->keyed(data.windows(Split::kValidation, std::span(numbers).first(count), T), kEvaluationSeed),
      device);
  const auto observations = model.observe(batch.inputs, batch.keep);
  std::vector<MechanismRow> rows;
  for (std::size_t block = 0; block < observations.size(); ++block)
    if (!observations[block].empty())
      rows.push_back({iteration, static_cast<std::int64_t>(block), observations[block]});
  return rows;
}

}  // namespace kablate
