#include "train/evaluator.h"

#include <algorithm>
#include <span>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "config/config.h"
#include "data/sample_order.h"
#include "train/labelled.h"
#include "train/token_hash.h"

namespace kablate {
namespace {

// A mean of means, each by its count.
class Sum {
 public:
  void add(double mean, double count) {
    if (count == 0) return;
    sum_ += mean * count, count_ += count;
  }
  double mean() const { return sum_ / count_; }

 private:
  double sum_ = 0, count_ = 0;
};

// What batches gave, in their order: a mean and a count of each term.
class TermsFound {
 public:
  void skip(const std::vector<double>& counts) {
    for (const double count : counts) means_.push_back(0), counts_.push_back(count);
  }
  void add(const std::vector<Term>& terms, const std::vector<double>& counts) {
    terms_.clear();
    for (const auto& term : terms) terms_.push_back(term.name), means_.push_back(term.mean.item<double>());
    counts_.insert(counts_.end(), counts.begin(), counts.end());
  }
  // What another rank found stands for the 0 of a batch that was skipped here.
  void share(Communicator& ranks) {
    if (ranks.size() == 1) return;
    const Tensor means = at::tensor(means_, at::kDouble);
    ranks.all_reduce_sum({means});
    const auto* first = means.const_data_ptr<double>();
    means_.assign(first, first + means_.size());
  }
  void give(Means& means) const {
    Sum loss;
    std::map<std::string, Sum> others;
    for (std::size_t i = 0; i < means_.size(); ++i) {
      const auto term = i % terms_.size();
      (term == 0 ? loss : others[terms_[term]]).add(means_[i], counts_[i]);
    }
    means.loss = loss.mean();
    for (const auto& [name, sum] : others) means.terms[name] = sum.mean();
  }

 private:
  std::vector<std::string> terms_;
  std::vector<double> means_, counts_;
};

}  // namespace

Means mean_over_windows(const Gpt& model, const Objective& objective, const Dataset& data, Split split,
                        const std::vector<std::int64_t>& numbers, std::int64_t most, c10::Device device,
                        const std::function<void(const Batch&)>& before, bool by_sequence,
                        Communicator& ranks) {
  const at::NoGradGuard no_grad;
  const std::int64_t T = model.spec().T;
  const auto at_once = static_cast<std::size_t>(most);
  const auto batches = (std::ssize(numbers) + most - 1) / most;
  Communicator& sharing = batches < ranks.size() || by_sequence ? one_rank() : ranks;
  std::int64_t turn = 0;
  Means means;
  TermsFound found;
  AccuracyTally accuracy;
  for (std::size_t first = 0; first < numbers.size(); first += at_once) {
    const auto some = std::span(numbers).subspan(first, std::min(at_once, numbers.size() - first));
    const Batch batch = objective.keyed(data.windows(split, some, T), kEvaluationSeed);
    before(batch);
    // Counts in sequences, which are whole numbers of most objectives.
    auto counts = objective.counts(batch);
    for (double& count : counts) count /= static_cast<double>(T);
    if (turn++ % sharing.size() != sharing.rank()) {
      found.skip(counts);
      continue;
    }
    const Outcome outcome = objective.run(model, on_device(batch, device), Dropout(), by_sequence);
    found.add(outcome.terms, counts);
    if (outcome.said_M.defined()) accuracy.add(outcome.said_M, outcome.labels_M);
    if (!by_sequence) continue;
    const Tensor here_B = outcome.by_sequence_B.cpu();
    const auto* values = here_B.const_data_ptr<double>();
    means.by_sequence.insert(means.by_sequence.end(), values, values + here_B.numel());
  }
  found.share(sharing);
  found.give(means);
  if (accuracy.count() > 0)
    means.terms[kAccuracy] = accuracy.micro(), means.terms[kMacroAccuracy] = accuracy.macro();
  return means;
}

Losses evaluate(const Config& config, const Gpt& model, const Objective& objective, const Dataset& data,
                c10::Device device, const std::function<void()>& between, Communicator& ranks) {
  const std::int64_t T = model.spec().T;
  const auto validation =
      evaluation_windows(data.num_windows(Split::kValidation, T), config.train.eval_samples);
  const auto train =
      evaluation_windows(data.num_windows(Split::kTrain, T), static_cast<std::int64_t>(validation.size()));
  TokenChain tokens;
  const auto means_of = [&](Split split, const std::vector<std::int64_t>& numbers) {
    std::uint64_t sum = 0, place = 0;
    const Means means = mean_over_windows(
        model, objective, data, split, numbers, config.train.batch_size, device,
        [&](const Batch& batch) {
          between();
          sum += token_sum(batch, place);
          place += static_cast<std::uint64_t>(batch.inputs.size(0));
        },
        /*by_sequence=*/false, config.data.is_synthetic() ? one_rank() : ranks);
    tokens.add(sum);
    return means;
  };
  Losses losses;
  losses.train = means_of(Split::kTrain, train);
  losses.validation = means_of(Split::kValidation, validation);
  losses.tokens = tokens.digits();
  return losses;
}

}  // namespace kablate
