// What a trained model is worth on data: its validation loss, in the units that people compare.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "data/dataset.h"
#include "model/gpt.h"

namespace kablate {

struct Config;

struct Evaluation {
  double loss = 0;  // the objective's mean, in nats a token
  std::int64_t windows = 0, tokens = 0;
  std::optional<std::int64_t> bytes;  // of the tokens as text; none where the tokenizer does not know it
  bool masked = false;                // of masked tokens alone, whose loss is none of the text
  std::optional<double> accuracy, macro_accuracy;  // where data have labels; `tokens` are these then

  double perplexity() const;  // e^loss
  std::optional<double> bits_per_byte()
      const;  // loss · tokens / (ln 2 · bytes); none of masked tokens and labels
};

// The objective of `config` on `samples` evenly spaced windows of the validation split (0: all), in batches
// of GPT2_BATCH_SIZE: with GPT2_EVAL_SAMPLES of them the number of a trial's last evaluation, to the bit.
// `between` is called before each batch; it may throw to stop.
Evaluation evaluate_validation(
    const Config& config, const Gpt& model, const Dataset& data, std::int64_t samples, c10::Device device,
    const std::function<void()>& between = [] {});

}  // namespace kablate
