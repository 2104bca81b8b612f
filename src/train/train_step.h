// One optimizer update: forward and backward over the global batch in pieces, then the optimizer.
#pragma once

#include <cstdint>

#include "config/config.h"
#include "data/batch.h"
#include "model/gpt.h"
#include "model/loss.h"
#include "model/parameters.h"
#include "optim/optimizer.h"

namespace kablate {

struct StepResult {
  double loss = 0;  // mean over the global batch, before the update
  UpdateReport
      update;  // update.finite is false where loss or gradient was no number: nothing was changed then
};

class TrainStep {
 public:
  // What the constructor is given must outlive the object. `seed` keys dropout.
  TrainStep(const Config& config, const Gpt& model, const ParameterSet& parameters, Optimizer& optimizer,
            LossFunction loss, const Dataset& data, const SampleOrder& order, std::uint64_t seed);

  // Iteration counts from 0; the data and the learning rate follow from it.
  StepResult run(std::int64_t iteration);

 private:
  double accumulate(std::uint64_t first_sample);  // gradients of one piece; its mean loss

  const Config& config_;
  const Gpt& model_;
  const ParameterSet& parameters_;
  Optimizer& optimizer_;
  LossFunction loss_;
  const Dataset& data_;
  const SampleOrder& order_;
  std::uint64_t seed_;
};

}  // namespace kablate
