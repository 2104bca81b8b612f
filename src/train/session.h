// The objects that train one model, made in the one order that works.
#pragma once

#include <filesystem>
#include <memory>

#include "config/config.h"
#include "data/dataset.h"
#include "model/gpt.h"
#include "model/parameters.h"
#include "optim/optimizer.h"
#include "train/communicator.h"
#include "train/objective.h"
#include "train/train_step.h"

namespace kablate {

struct Session {
  // Initial weights by `seed`; order of samples by DATA_SEED, or by `seed`. `ranks` must outlive the object.
  Session(const Config& config, std::int64_t seed, std::shared_ptr<const Dataset> data,
          Communicator& ranks = one_rank());
  Session(const Session&) = delete;  // its members refer to one another
  Session& operator=(const Session&) = delete;

  // What trains on where layers that shared an MLP get copies of their own (MLP_UNSHARE_AT): parameters and
  // moments, each copied from those that it shared; the optimizer's counters are the same.
  struct Apart {
    ParameterSet parameters;
    std::unique_ptr<Optimizer> optimizer;
  };
  Apart apart() const;
  void go_on_with(Apart apart);

  Config config;  // as given: the model of its start
  c10::Device device;
  std::shared_ptr<const Dataset> data;
  std::shared_ptr<const Objective> objective;
  ParameterSet parameters;
  Gpt model;
  std::unique_ptr<Optimizer> optimizer;
  TrainStep train_step;
};

}  // namespace kablate
