// The loss of a model on fixed windows of both splits (spec, section 4).
#pragma once

#include <functional>
#include <string>

#include "data/batch.h"
#include "model/gpt.h"
#include "model/loss.h"

namespace kablate {

struct Config;

struct Losses {
  double train = 0, validation = 0;  // mean over tokens, nats
  std::string tokens;  // TokenChain::digits of the windows read: training, then validation, by their places
};

// GPT2_EVAL_SAMPLES evenly spaced windows of the validation split and as many of the training split, the same
// for every trial, without dropout. `between` is called before each batch; it may throw to stop.
Losses evaluate(const Config& config, const Gpt& model, const LossFunction& loss, const Dataset& data,
                c10::Device device, const std::function<void()>& between);

}  // namespace kablate
