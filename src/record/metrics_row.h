// A row of metrics.jsonl by value. One list of keys a kind (metrics_row.cpp) serves writing, reading and
// comparing; FORMAT.md says what each number is. A number that does not exist is empty, and null in the file.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/json.h"

namespace kablate {

// One iteration, counted from 0.
struct TrainRow {
  using Real = std::optional<double>;

  std::int64_t iteration = 0;
  Real loss = {}, grad_norm = {}, learning_rate = {};
  std::int64_t clipped_elements = 0, spikes = 0, resets = 0;  // since the start of the trial
  // Of what every iteration since the row before was trained on (train/token_hash.h).
  std::string tokens = {};
  // Means of the objective's other terms, by name, if it has some.
  std::map<std::string, double> terms = {};
  Real sparsity = {};  // of all prunable maps together, after the update; absent without PRUNE
  // Of the clock: no part of the loss log.
  Real ms = {}, tokens_per_s = {}, mfu = {}, mfu_nanogpt = {};
  Real tokens_per_s_rank = {}, communication_share = {};  // absent of one rank
  bool operator==(const TrainRow&) const = default;
};

// The losses after `iteration` updates, nats a token.
struct EvaluationRow {
  std::int64_t iteration = 0;
  std::optional<double> train_loss = {}, val_loss = {};
  std::string tokens = {};  // of what was read to find them
  // Means of the objective's other terms, by name: "train_..." and "val_...".
  std::map<std::string, double> terms = {};
  bool operator==(const EvaluationRow&) const = default;
};

// What a block's mechanisms did at an evaluation.
struct MechanismRow {
  std::int64_t iteration = 0, block = 0;
  std::map<std::string, double> values = {};  // by the names that the model gives; without those that are off
  bool operator==(const MechanismRow&) const = default;
};

// What the names of a block's loads of experts begin with, and those loads, in the experts' order; empty
// where it has none.
constexpr const char* kExpertLoad = "expert_load_";
std::vector<double> expert_loads(const MechanismRow& row);

using MetricsRow = std::variant<TrainRow, EvaluationRow, MechanismRow>;

std::int64_t iteration_of(const MetricsRow& row);

Json to_json(const MetricsRow& row);
// Of the text of a row. Empty where it is not what to_json gives: another kind, a key too many or too few, a
// value out of range.
std::optional<MetricsRow> metrics_row_from_text(std::string_view line);

// The row without what depends on the clock or on what else runs: equal for equal trials.
Json without_clock(const MetricsRow& row);

// The losses of training and evaluation alone, which a dead twin has in common with its baseline; null for a
// row of mechanisms.
Json losses_of(const MetricsRow& row);

// "loss 2.25 -> 2.5": the first key whose values differ in two rows without_clock gave; "" if none does.
std::string row_difference(const Json& a, const Json& b);

}  // namespace kablate
