// One optimizer update: forward and backward over the global batch in pieces, then the optimizer, then what
// is pruned after it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "distributed/buckets.h"
#include "distributed/communicator.h"
#include "model/gpt.h"
#include "model/parameters.h"
#include "optim/optimizer.h"
#include "optim/pruner.h"
#include "train/objective.h"

namespace kablate {

struct Config;

struct StepResult {
  double loss = 0;                      // the objective's mean over the global batch, before the update
  std::map<std::string, double> terms;  // likewise its other terms, by name
  UpdateReport update;       // finite is false where loss or gradient was no number: nothing was changed then
  std::uint64_t tokens = 0;  // token_sum over the global batch
};

class TrainStep {
 public:
  // What the constructor is given must outlive the object. `seed` keys dropout, and samples where DATA_SEED
  // does not. Throws UserError if the ranks can't share GPT2_GRADIENT_ACCUMULATION evenly.
  TrainStep(const Config& config, const Gpt& model, const ParameterSet& parameters, Optimizer& optimizer,
            Pruner& pruner, const Objective& objective, const Dataset& data, std::int64_t seed,
            Communicator& ranks);

  // Another optimizer, of the parameters as they are from now on.
  void go_on_with(Optimizer& optimizer);

  // Iteration counts from 0; the data and the learning rate follow from it.
  StepResult run(std::int64_t iteration);

 private:
  // A part of the global batch that goes through the model at once.
  struct Piece {
    Batch batch;
    std::uint64_t place = 0;     // of its first sequence in the global batch
    std::vector<double> counts;  // Objective::counts
  };
  std::vector<Piece> own_pieces(std::int64_t iteration) const;               // of this rank
  std::vector<double> total_counts(const std::vector<Piece>& pieces) const;  // over all ranks
  // A number of a StepResult, and what a piece adds to it.
  struct Addend {
    double* sum;
    Tensor part;
  };
  void accumulate(const Piece& piece, const std::vector<double>& totals, StepResult& result,
                  std::vector<Addend>& found);
  void give_all_gradients() const;
  void sum_over_ranks(StepResult& result) const;
  void make_buckets();

  const Config& config_;
  const Gpt& model_;
  const ParameterSet& parameters_;
  Optimizer* optimizer_;
  Pruner& pruner_;
  const Objective& objective_;
  const Dataset& data_;
  std::int64_t seed_;
  Communicator& ranks_;
  std::unique_ptr<GradientBuckets> buckets_;  // of several ranks
};

}  // namespace kablate
