// The objects that train one model, made in the one order that works.
#pragma once

#include <filesystem>
#include <memory>

#include "config/config.h"
#include "data/dataset.h"
#include "distributed/communicator.h"
#include "model/gpt.h"
#include "model/parameters.h"
#include "optim/optimizer.h"
#include "optim/pruner.h"
#include "train/objective.h"
#include "train/train_step.h"

namespace kablate {

struct Session {
  // Initial weights by `seed`; order of samples by DATA_SEED, or by `seed`. `ranks` must outlive the object.
  Session(const Config& config, std::int64_t seed, std::shared_ptr<const Dataset> data,
          Communicator& ranks = one_rank());
  Session(const Session&) = delete;  // its members refer to one another
  Session& operator=(const Session&) = delete;

  // What trains on where the model becomes another (at_update()). Parameters and moments are copies of what
  // stood for them, those of a layer that parts from others copies of what it shared, pruned entries among
  // them; what stands still has no moments any more and is pruned no further. The optimizer's counters are
  // the same.
  struct Stage {
    Config config;
    ParameterSet parameters;
    std::unique_ptr<Optimizer> optimizer;
    Pruner pruner;
  };
  Stage next(const Config& stage) const;  // collective where ranks share the moments
  void go_on_with(Stage stage);

  Config config;  // as given
  Config stage;   // of the model that trains now
  c10::Device device;
  std::shared_ptr<const Dataset> data;
  std::shared_ptr<const Objective> objective;
  ParameterSet parameters;
  Gpt model;
  Communicator& sharers;  // of the optimizer's moments
  std::unique_ptr<Optimizer> optimizer;
  Pruner pruner;
  TrainStep train_step;
};

}  // namespace kablate
