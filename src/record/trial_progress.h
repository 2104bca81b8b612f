// How far a trial is, from the end of its log: without reading all of it.
#pragma once

#include <cstdint>
#include <optional>

#include "record/layout.h"

namespace kablate {

struct TrialProgress {
  std::int64_t done = 0;                   // iterations, of what stands in the log
  std::optional<double> loss;              // of training, at the last one
  std::optional<double> ms, tokens_per_s;  // of an iteration, over the last rows
};

// Empty where it has logged nothing yet, or nothing that can be read.
std::optional<TrialProgress> read_progress(const TrialFolder& folder);

}  // namespace kablate
