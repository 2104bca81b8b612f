#include "analyse/evaluation.h"

#include <cmath>
#include <numbers>

#include <ATen/ATen.h>

#include "config/config.h"
#include "data/sample_order.h"
#include "train/evaluator.h"
#include "train/objective.h"

namespace kablate {

double Evaluation::perplexity() const { return std::exp(loss); }

std::optional<double> Evaluation::bits_per_byte() const {
  if (masked || !bytes || *bytes == 0) return {};
  return loss * static_cast<double>(tokens) / (std::numbers::ln2 * static_cast<double>(*bytes));
}

Evaluation evaluate_validation(const Config& config, const Gpt& model, const Dataset& data,
                               std::int64_t samples, c10::Device device,
                               const std::function<void()>& between) {
  const auto windows = evaluation_windows(data.num_windows(Split::kValidation, model.spec().T), samples);
  Evaluation evaluation;
  evaluation.windows = std::ssize(windows);
  evaluation.bytes = 0, evaluation.masked = config.objective.masked();
  const auto count = [&](const Batch& batch) {
    between();
    const Tensor targets = batch.targets.masked_select(batch.targets != kIgnoreIndex);
    const auto* ids = targets.const_data_ptr<std::int64_t>();
    for (std::int64_t i = 0; i < targets.numel() && evaluation.bytes; ++i) {
      const auto bytes = data.tokenizer().bytes_of(ids[i]);
      evaluation.bytes = bytes ? std::optional(*evaluation.bytes + *bytes) : std::nullopt;
    }
    evaluation.tokens += targets.numel();
  };
  const Means means = mean_over_windows(model, *make_objective(config, data.vocabulary()), data,
                                        Split::kValidation, windows, config.train.batch_size, device, count);
  evaluation.loss = means.loss;
  if (const auto found = means.terms.find(kAccuracy); found != means.terms.end()) {
    evaluation.accuracy = found->second;
    evaluation.macro_accuracy = means.terms.at(kMacroAccuracy);
  }
  return evaluation;
}

}  // namespace kablate
