// One optimizer update: forward and backward over the global batch in pieces, then the optimizer.
#pragma once

#include <cstdint>

#include "data/batch.h"
#include "model/gpt.h"
#include "model/loss.h"
#include "model/parameters.h"
#include "optim/optimizer.h"
#include "train/communicator.h"

namespace kablate {

struct Config;

struct StepResult {
  double loss = 0;           // mean over the global batch, before the update
  UpdateReport update;       // finite is false where loss or gradient was no number: nothing was changed then
  std::uint64_t tokens = 0;  // token_sum over the global batch
};

class TrainStep {
 public:
  // What the constructor is given must outlive the object. `seed` keys dropout. Throws UserError if the ranks
  // can't share GPT2_GRADIENT_ACCUMULATION evenly.
  TrainStep(const Config& config, const Gpt& model, const ParameterSet& parameters, Optimizer& optimizer,
            LossFunction loss, const Dataset& data, const SampleOrder& order, std::uint64_t seed,
            Communicator& ranks);

  // Iteration counts from 0; the data and the learning rate follow from it.
  StepResult run(std::int64_t iteration);

 private:
  void accumulate(std::uint64_t first, std::int64_t piece,
                  StepResult& result);  // adds one piece of the batch
  void sum_over_ranks(StepResult& result) const;

  const Config& config_;
  const Gpt& model_;
  const ParameterSet& parameters_;
  Optimizer& optimizer_;
  LossFunction loss_;
  const Dataset& data_;
  const SampleOrder& order_;
  std::uint64_t seed_;
  Communicator& ranks_;
};

}  // namespace kablate
