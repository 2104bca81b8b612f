// Data sets that are made from a seed: which ids a task uses for what, which settings it can be made with,
// and how many labels its sequences have. data/synthetic_task.h says what the tasks are.
#pragma once

#include <cstdint>
#include <string>

#include "config/data_options.h"

namespace kablate {

struct Config;

// Ids that stand beside each other.
struct IdRange {
  std::int64_t first = 0, count = 0;
  std::int64_t end() const { return first + count; }
  bool contains(std::int64_t id) const { return id >= first && id < end(); }
};

struct TaskIds {
  // `values` are what labels are, and in compression the marker too; `keys` are empty where a task has none.
  IdRange keys, values;
  IdRange noise;             // of noisy_recall
  std::int64_t marker = -1;  // what says that an answer comes, or is to come
  std::int64_t blank = -1;   // what says nothing
};
TaskIds task_ids(const DataConfig& data);  // REQUIRES: data.is_synthetic(), SYNTHETIC_VOCAB_SIZE >= 4

// Throws UserError naming the symbols, their values and what is allowed where DATASET can't be made of them.
void check_synthetic(const Config& config);

// The mean number of labels of a training sequence; of fuzzy_recall nearly.
double labels_per_sequence(const Config& config);

// The shortest and the longest period of repeats, T/8 and T/2 tokens.
struct Periods {
  std::int64_t least = 0, most = 0;
};
Periods repeats_periods(std::int64_t context);

// All numbers in one text, equal for equal data but for the seed.
std::string text_of(const SyntheticConfig& synthetic);

}  // namespace kablate
