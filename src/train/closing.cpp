#include "train/closing.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/text.h"
#include "data/stream_dataset.h"
#include "interchange/weights.h"
#include "measure/machine.h"
#include "model/gpt.h"
#include "model/loss.h"
#include "model/stored_parameters.h"
#include "train/token_hash.h"

namespace kablate {
namespace {

using Starts = std::vector<std::int64_t>;
constexpr std::int64_t kLogits = std::int64_t{1} << 22;  // at once: 32 MiB in float64

// Calls `take` with the windows, `most` at a time, and the place of the first.
void for_windows(const TokenStream& stream, const Starts& starts, std::int64_t context, std::int64_t most,
                 const std::function<void(const Batch&, std::int64_t place)>& take) {
  const std::span all(starts);
  for (std::size_t first = 0; first < all.size(); first += static_cast<std::size_t>(most)) {
    const auto count = std::min(static_cast<std::size_t>(most), all.size() - first);
    take(make_batch(stream, all.subspan(first, count), context), static_cast<std::int64_t>(first));
  }
}

std::uint64_t sum_of_tokens(const TokenStream& stream, const Starts& starts, const Config& config) {
  std::uint64_t sum = 0;
  for_windows(stream, starts, config.gpt.context, config.train.batch_size,
              [&](const Batch& batch, std::int64_t place) {
                sum += token_sum(batch, static_cast<std::uint64_t>(place));
              });
  return sum;
}

// -log p of the targets, summed over the batch in float64, a few rows of logits at a time.
double summed_loss(const Gpt& model, const Batch& batch, c10::Device device) {
  Head head = model.head(batch.inputs.to(device));
  const Tensor values_RE = head.values_BTE.flatten(0, 1), targets_R = batch.targets.flatten().to(device);
  const std::int64_t rows = values_RE.size(0),
                     most = std::max<std::int64_t>(1, kLogits / head.weight_VE.size(0));
  double sum = 0;
  for (std::int64_t r = 0; r < rows; r += most) {
    const std::int64_t count = std::min(most, rows - r);
    head.values_BTE = values_RE.narrow(0, r, count).unsqueeze(0);
    const Tensor log_p = head.logits()[0].to(at::kDouble).log_softmax(1);
    sum -= log_p.gather(1, targets_R.narrow(0, r, count).unsqueeze(1)).sum().item<double>();
  }
  return sum;
}

}  // namespace

std::vector<std::int64_t> contract_starts(std::int64_t num_tokens, std::int64_t context,
                                          std::int64_t samples) {
  const std::int64_t w = (num_tokens - 1) / context, k = samples == 0 ? w : std::min(samples, w);
  Starts starts;
  for (std::int64_t j = 0; j < k; ++j) starts.push_back(j * w / k * context);
  return starts;
}

bool is_same_loss(double said, double found, DType dtype) {
  constexpr double kLeast = 1e-6;
  const double most = dtype == DType::kFloat32 ? 1e-5 : 1e-3;
  return std::abs(said - found) <= most * std::abs(found) + kLeast;  // no number is none
}

std::string windows_fault(const Config& config, const EvaluationRow& recorded, const Dataset& dataset) {
  const StreamDataset& data = streams_of(dataset);
  if (recorded.iteration != config.train.max_iters)
    return str("the losses are those of iteration ", recorded.iteration, ", the last is ",
               config.train.max_iters);
  const auto T = config.gpt.context;
  const Starts of_validation = contract_starts(data.validation().size(), T, config.train.eval_samples);
  const Starts of_train = contract_starts(data.train().size(), T, std::ssize(of_validation));
  TokenChain chain;
  chain.add(sum_of_tokens(data.train(), of_train, config));
  chain.add(sum_of_tokens(data.validation(), of_validation, config));
  if (recorded.tokens != chain.digits())
    return str("the evaluation read other tokens (", recorded.tokens, ") than the ", of_validation.size(),
               " windows of the validation split and as many of the training split (", chain.digits(), ")");
  return "";
}

std::string closing_fault(const Config& config, const std::filesystem::path& weights,
                          const EvaluationRow& recorded, const Dataset& dataset,
                          const std::function<void()>& between) {
  if (auto fault = windows_fault(config, recorded, dataset); !fault.empty()) return fault;
  const StreamDataset& data = streams_of(dataset);
  const auto T = config.gpt.context;
  const Starts of_validation = contract_starts(data.validation().size(), T, config.train.eval_samples);
  const at::NoGradGuard no_grad;
  const auto device = resolve_device(config.run.device);
  Config stored = config;
  std::optional<ParameterSet> parameters;
  try {
    stored = config_of_weights(config, weights);
    parameters = read_parameters(stored, weights, device);
  } catch (const UserError& fault) {
    return fault.what();
  }
  const Gpt model(stored, *parameters);
  double sum = 0;
  for_windows(data.validation(), of_validation, T, config.train.batch_size,
              [&](const Batch& batch, std::int64_t) {
                between();
                sum += summed_loss(model, batch, device);
              });
  const double found = sum / static_cast<double>(std::ssize(of_validation) * T),
               said = recorded.val_loss.value_or(NAN);
  if (!is_same_loss(said, found, config.run.dtype))
    return str("the recorded validation loss is ", shortest(said), ", the weights give ", shortest(found));
  return "";
}

}  // namespace kablate
