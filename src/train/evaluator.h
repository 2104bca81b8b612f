// What a model is worth on fixed windows of both splits (spec, section 4).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "distributed/communicator.h"
#include "model/gpt.h"
#include "train/objective.h"

namespace kablate {

struct Config;

// By which an objective keys what it draws for an evaluation: the same for every trial, whatever its seeds.
constexpr std::uint64_t kEvaluationSeed = 0;

// Names among the terms: of all labels those said rightly, and the mean over ids (train/labelled.h).
constexpr const char *kAccuracy = "accuracy", *kMacroAccuracy = "macro_accuracy";

// The means of an objective's terms over some windows of a split, without dropout or gradient.
struct Means {
  double loss = 0;                      // the objective
  std::map<std::string, double> terms;  // the others, by name, and the accuracies where data have labels
  std::vector<double> by_sequence;      // where asked for: the objective on each window
};

// The windows of these numbers, `most` in a batch. `before` is called with each batch before it is evaluated;
// it may throw to stop. Several ranks evaluate a batch each in turn and give the means of one, to the bit;
// not by sequence, nor data with labels.
Means mean_over_windows(const Gpt& model, const Objective& objective, const Dataset& data, Split split,
                        const std::vector<std::int64_t>& numbers, std::int64_t most, c10::Device device,
                        const std::function<void(const Batch&)>& before, bool by_sequence = false,
                        Communicator& ranks = one_rank());

struct Losses {
  Means train, validation;
  std::string tokens;  // TokenChain::digits of the windows read: training, then validation, by their places
};

// GPT2_EVAL_SAMPLES evenly spaced windows of the validation split and as many of the training split, the same
// for every trial. `between` is called before each batch, on every rank as often; it may throw to stop.
Losses evaluate(const Config& config, const Gpt& model, const Objective& objective, const Dataset& data,
                c10::Device device, const std::function<void()>& between, Communicator& ranks = one_rank());

}  // namespace kablate
