// The numbers that a trial ends with and tables compare: named, each with the way in which it is good. A
// further one is an entry in the table of measure.cpp, and the field of a summary that it names.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/direction.h"
#include "record/summary.h"

namespace kablate {

struct Measure {
  std::string name;     // its columns in report.csv begin with it: val_loss_mean, val_loss_sd
  std::string heading;  // in tables for people
  std::string unit;     // of a change
  Better better = Better::kLess;
  bool compared = false;  // with the baseline
  std::optional<double> TrialSummary::*value = nullptr;
};

// The first is what verdicts are about: the validation loss.
using Measures = std::vector<Measure>;
const Measures& measures();

}  // namespace kablate
