// What models of masked tokens are worth where nothing but text counts: how well a model of next tokens can
// read what they fill in, and how many of the tokens that they got wrong one step more puts right.
#pragma once

#include <cstdint>
#include <functional>

#include "data/dataset.h"
#include "model/gpt.h"

namespace kablate {

struct Config;

struct JudgeOptions {
  std::int64_t texts = 64;  // how many are written, and how many windows are repaired
  std::int64_t steps = 12;  // of generate/unmask.h
  bool by_critic = false;   // the critic says what is drawn again; else the model's own probabilities
  std::uint64_t seed = 1;   // of the draws
};

// Texts as long as the context, of the data's validation windows where those have padding.
struct Reading {
  double loss = 0;      // nats a token that the judge needs, but for each text's first token
  double distinct = 0;  // of all runs of four tokens, the share that are different ones: 1 without repetition
};

// Of validation windows masked as an evaluation masks them, filled in, and of the filled tokens the half that
// is least sure drawn once more.
struct Repair {
  double right = 0;     // of the filled tokens, those that stood there
  double repaired = 0;  // of the others, those that are right after the second draw
  double broken = 0;    // of those that were right, those that are not any more
};

// `config` is the model's; the judge reads causally and knows the same data. `between` is called before each
// batch; it may throw to stop.
Reading judge_texts(const Config& config, const Gpt& model, const Gpt& judge, const Dataset& data,
                    const JudgeOptions& options, c10::Device device, const std::function<void()>& between);
Repair judge_repair(const Config& config, const Gpt& model, const Dataset& data, const JudgeOptions& options,
                    c10::Device device, const std::function<void()>& between);

// As many of the data's own validation windows: what the judge makes of what it was trained to read.
Reading judge_data(const Config& config, const Gpt& judge, const Dataset& data, std::int64_t texts,
                   c10::Device device, const std::function<void()>& between);

}  // namespace kablate
