#include "train/train_step.h"

#include <cmath>

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "data/sample_order.h"
#include "optim/schedule.h"
#include "train/token_hash.h"

namespace kablate {

TrainStep::TrainStep(const Config& config, const Gpt& model, const ParameterSet& parameters,
                     Optimizer& optimizer, Pruner& pruner, const Objective& objective, const Dataset& data,
                     std::int64_t seed, Communicator& ranks)
    : config_(config),
      model_(model),
      parameters_(parameters),
      optimizer_(&optimizer),
      pruner_(pruner),
      objective_(objective),
      data_(data),
      seed_(seed),
      ranks_(ranks) {
  if (config.train.accumulation % ranks.size() != 0)
    throw UserError(str("GPT2_GRADIENT_ACCUMULATION = ", config.train.accumulation, ": allowed with ",
                        ranks.size(),
                        " ranks: a multiple of their number, so that each takes as many pieces"));
  make_buckets();
}

void TrainStep::make_buckets() {
  if (ranks_.size() == 1) return;
  std::vector<Tensor> trained;
  for (std::size_t i = 0; i < parameters_.specs().size(); ++i)
    if (parameters_.specs()[i].trained) trained.push_back(parameters_.tensors()[i]);
  buckets_ = std::make_unique<GradientBuckets>(std::move(trained), ranks_);
}

void TrainStep::go_on_with(Optimizer& optimizer) {
  optimizer_ = &optimizer;
  make_buckets();
}

StepResult TrainStep::run(std::int64_t iteration) {
  for (const auto& tensor : parameters_.tensors()) tensor.mutable_grad().reset();
  const auto pieces = own_pieces(iteration);
  const auto totals = total_counts(pieces);
  TORCH_CHECK(totals[0] > 0, "iteration ", iteration, ": nothing in its batch counts");
  StepResult result;
  std::vector<Addend> found;  // read last: a device works on while the next pass is told to it
  for (const auto& piece : pieces) {
    if (buckets_ && &piece == &pieces.back()) buckets_->begin_last_pass();
    accumulate(piece, totals, result, found);
  }
  for (const auto& [sum, part] : found) *sum += part.item<double>();
  if (buckets_)
    buckets_->finish();
  else
    give_all_gradients();
  sum_over_ranks(result);
  if (!std::isfinite(result.loss)) {
    result.update.finite = false;
    return result;
  }
  pruner_.mask_gradients();
  result.update = optimizer_->step(learning_rate(config_.optim, config_.train.max_iters, iteration));
  if (result.update.finite) pruner_.after_update(iteration + 1, *optimizer_);
  return result;
}

std::vector<TrainStep::Piece> TrainStep::own_pieces(std::int64_t iteration) const {
  const auto seed = data_seed(config_.data, seed_);
  const auto& train = config_.train;
  const auto first = static_cast<std::uint64_t>(iteration * config_.global_batch());
  std::vector<Piece> pieces;
  for (std::int64_t i = ranks_.rank(); i < train.accumulation; i += ranks_.size()) {
    const auto place = static_cast<std::uint64_t>(i * train.batch_size);
    Batch batch =
        objective_.keyed(data_.samples(seed, first + place, train.batch_size, config_.gpt.context), seed);
    auto counts = objective_.counts(batch);
    pieces.push_back({std::move(batch), place, std::move(counts)});
  }
  return pieces;
}

std::vector<double> TrainStep::total_counts(const std::vector<Piece>& pieces) const {
  std::vector<double> totals(pieces.front().counts.size());
  for (const auto& piece : pieces)
    for (std::size_t i = 0; i < totals.size(); ++i) totals[i] += piece.counts[i];
  if (ranks_.size() == 1) return totals;
  std::vector<Tensor> sums{at::tensor(totals, at::kDouble)};
  ranks_.all_reduce_sum(sums);
  const auto* values = sums[0].const_data_ptr<double>();
  return {values, values + totals.size()};
}

// A term's part of the global mean is its own, divided by how many times its count the global batch has: a
// whole number where all targets count, so that equal pieces give the bits of a plain division by their
// number.
void TrainStep::accumulate(const Piece& piece, const std::vector<double>& totals, StepResult& result,
                           std::vector<Addend>& found) {
  result.tokens += token_sum(piece.batch, piece.place);
  const auto device = parameters_.tensors().front().device();
  const Dropout dropout =
      config_.drops() ? Dropout(config_.gpt.dropout, static_cast<std::uint64_t>(seed_), piece.batch.samples)
                      : Dropout();
  const auto terms = objective_.run(model_, on_device(piece.batch, device), dropout).terms;
  TORCH_CHECK(terms.size() == totals.size(), "an objective of ", totals.size(), " counts gave ", terms.size(),
              " terms");
  Tensor minimised;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    double& mean = i == 0 ? result.loss : result.terms[terms[i].name];
    if (piece.counts[i] == 0) continue;
    const Tensor part = terms[i].mean / (totals[i] / piece.counts[i]);
    found.push_back({&mean, part.detach()});
    if (terms[i].factor == 0) continue;
    const Tensor scaled = terms[i].factor == 1 ? part : part * terms[i].factor;
    minimised = minimised.defined() ? minimised + scaled : scaled;
  }
  if (minimised.defined()) minimised.backward();
}

// What no piece reached: by chance nothing that it makes counts in this batch.
void TrainStep::give_all_gradients() const {
  for (std::size_t i = 0; i < parameters_.specs().size(); ++i) {
    const auto& tensor = parameters_.tensors()[i];
    if (parameters_.specs()[i].trained && !tensor.grad().defined())
      tensor.mutable_grad() = at::zeros_like(tensor);
  }
}

void TrainStep::sum_over_ranks(StepResult& result) const {
  if (ranks_.size() == 1) return;
  std::vector<double> means{result.loss};
  for (const auto& [name, mean] : result.terms) means.push_back(mean);
  const Tensor terms = at::tensor(means, at::kDouble);
  const Tensor tokens = at::full({1}, static_cast<std::int64_t>(result.tokens), at::kLong);
  ranks_.all_reduce_sum({terms, tokens});
  const auto* summed = terms.const_data_ptr<double>();
  result.loss = *summed;
  for (auto& [name, mean] : result.terms) mean = *++summed;
  result.tokens = static_cast<std::uint64_t>(tokens.item<std::int64_t>());
}

}  // namespace kablate
