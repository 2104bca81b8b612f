#include "train/closing.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <span>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/text.h"
#include "interchange/weights.h"
#include "measure/machine.h"
#include "model/gpt.h"
#include "model/stored_parameters.h"
#include "train/contract.h"
#include "train/token_hash.h"

namespace kablate {
namespace {

using Numbers = std::vector<std::int64_t>;
constexpr std::int64_t kLogits = std::int64_t{1} << 22;  // at once: 32 MiB in float64
constexpr std::uint64_t kContractSeed = 0;               // of masks: the same for every arm

// The evaluation's sequences of a split, each as it is read.
class Windows {
 public:
  Windows(const Config& config, const Dataset& data, Split split, Numbers numbers)
      : config_(config), data_(data), split_(split), numbers_(std::move(numbers)) {}

  // Calls `take` with a batch of them and the place of its first.
  void each_batch(const std::function<void(const Batch&, std::int64_t place)>& take) const {
    const std::span all(numbers_);
    const auto most = static_cast<std::size_t>(config_.train.batch_size);
    for (std::size_t first = 0; first < all.size(); first += most) {
      const auto some = all.subspan(first, std::min(most, all.size() - first));
      take(contract_keyed(config_, contract_windows(config_, data_, split_, some), kContractSeed,
                          data_.vocabulary()),
           static_cast<std::int64_t>(first));
    }
  }

  std::uint64_t sum_of_tokens() const {
    std::uint64_t sum = 0;
    each_batch([&](const Batch& batch, std::int64_t place) {
      sum += token_sum(batch, static_cast<std::uint64_t>(place));
    });
    return sum;
  }

 private:
  const Config& config_;
  const Dataset& data_;
  Split split_;
  Numbers numbers_;
};

Numbers of_validation(const Config& config, const Dataset& data) {
  return contract_numbers(contract_count(data, Split::kValidation, config.gpt.context),
                          config.train.eval_samples);
}

struct Found {
  ContractLoss loss;
  std::int64_t right = 0;  // labels
};

// A few sequences' logits at a time.
Found found_in(const Config& config, const Gpt& model, const Batch& batch, c10::Device device,
               std::int64_t mask_token) {
  const auto B = batch.inputs.size(0);
  const auto most = std::max<std::int64_t>(1, kLogits / (batch.inputs.size(1) * config.gpt.vocabulary));
  Found found;
  for (std::int64_t first = 0; first < B; first += most) {
    const auto count = std::min(most, B - first);
    const auto some = [&](const Tensor& x) { return x.defined() ? x.narrow(0, first, count) : x; };
    const Batch part{
        .inputs = some(batch.inputs), .targets = some(batch.targets), .weights = some(batch.weights)};
    const Tensor keep = some(batch.keep), tokens = part.inputs.to(device);
    const Tensor logits =
        keep.defined() ? model.logits(tokens, keep.to(device), Dropout()) : model.logits(tokens);
    found.loss.add(contract_loss(config, part, logits, mask_token));
    if (config.data.is_synthetic()) found.right += contract_right(part, logits);
  }
  return found;
}

// Of `count` labels `right` are said rightly. Two ids may be as likely but for rounding.
std::string accuracy_fault(const Config& config, const EvaluationRow& recorded, double right, double count) {
  if (!config.data.is_synthetic()) return "";
  const auto found = recorded.terms.find("val_accuracy");
  const double said = found == recorded.terms.end() ? NAN : found->second,
               most = (config.run.dtype == DType::kFloat32 ? 2e-3 : 2e-2) + 1 / count;
  if (std::abs(said - right / count) <= most) return "";
  return str("the recorded accuracy is ", shortest(said), ", the weights give ", shortest(right / count));
}

}  // namespace

bool is_same_loss(double said, double found, DType dtype) {
  constexpr double kLeast = 1e-6;
  const double most = dtype == DType::kFloat32 ? 1e-5 : 1e-3;
  return std::abs(said - found) <= most * std::abs(found) + kLeast;  // no number is none
}

std::string windows_fault(const Config& config, const EvaluationRow& recorded, const Dataset& data) {
  if (recorded.iteration != config.train.max_iters)
    return str("the losses are those of iteration ", recorded.iteration, ", the last is ",
               config.train.max_iters);
  const Numbers validation = of_validation(config, data);
  const Numbers train =
      contract_numbers(contract_count(data, Split::kTrain, config.gpt.context), std::ssize(validation));
  TokenChain chain;
  chain.add(Windows(config, data, Split::kTrain, train).sum_of_tokens());
  chain.add(Windows(config, data, Split::kValidation, validation).sum_of_tokens());
  if (recorded.tokens != chain.digits())
    return str("the evaluation read other tokens (", recorded.tokens, ") than the ", validation.size(),
               " windows of the validation split and as many of the training split (", chain.digits(), ")");
  return "";
}

std::string closing_fault(const Config& config, const std::filesystem::path& weights,
                          const EvaluationRow& recorded, const Dataset& data,
                          const std::function<void()>& between) {
  if (auto fault = windows_fault(config, recorded, data); !fault.empty()) return fault;
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
  ContractLoss loss;
  std::int64_t right = 0;
  Windows(config, data, Split::kValidation, of_validation(config, data))
      .each_batch([&](const Batch& batch, std::int64_t) {
        between();
        const Found found = found_in(config, model, batch, device, data.vocabulary());
        loss.add(found.loss), right += found.right;
      });
  const double said = recorded.val_loss.value_or(NAN);
  if (!is_same_loss(said, loss.mean(), config.run.dtype))
    return str("the recorded validation loss is ", shortest(said), ", the weights give ",
               shortest(loss.mean()));
  return accuracy_fault(config, recorded, static_cast<double>(right), loss.count);
}

}  // namespace kablate
