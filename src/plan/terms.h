// On what terms two arms are compared: the tokens that a loss is measured on, the samples that were trained
// on, and for how long at which rates. Where these differ, a difference of losses is not one of what the arms
// are.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace kablate {

struct Config;

// Symbol -> value in its one spelling, of the symbols that can change a trial's numbers and that something
// reads. key_values (key.h) gives the same of a trained trial, with DATA_SEED resolved and `data` beside.
using TrainedValues = std::map<std::string, std::string>;
TrainedValues trained_values(const Config& config);

// The symbols in which two configurations train differently: GPT2_LOG_INTERVAL and what else says only when
// and where to look is left out, for it changes no weight.
std::vector<std::string> training_differences(const TrainedValues& a, const TrainedValues& b);

enum class TermKind {
  kMeasured,  // another loss: no difference of the two means anything
  kSamples,   // other samples in an iteration, or another order of them
  kSchedule,  // iterations, learning rates
};

struct TermDifference {
  TermKind kind = TermKind::kMeasured;
  std::string symbol, own, other;  // "" where nothing reads it

  std::string text() const;  // "GPT2_BATCH_SIZE 8 -> 16": from the other's to its own
};

// By kind. A batch that is cut into other pieces holds the same samples: no difference. The vocabulary is a
// part of the model: a larger one than the data's is padding, and the tokens stay what they are.
std::vector<TermDifference> term_differences(const TrainedValues& own, const TrainedValues& other);
// The same of the texts of two trials' keys (key.h).
std::vector<TermDifference> term_differences(std::string_view own, std::string_view other);

bool has_kind(const std::vector<TermDifference>& differences, TermKind kind);

// Whether trials of one seed are pairs: they saw the same samples, at the same rates for as long, unless the
// plan asks about just that (`about`: its symbols).
bool are_paired(const std::vector<TermDifference>& differences, const std::vector<std::string>& about);

std::string text_of(const std::vector<TermDifference>& differences);  // joined by ", "

// "" or why the learning rate never gets to GPT2_LEARNING_RATE: the warm-up is as long as the run, or longer.
std::string warmup_note(const Config& config);

}  // namespace kablate
