// One trial trained again from its folder alone, wherever that
// came from, and the causes of a difference (trust: F17).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "record/comparison.h"
#include "record/layout.h"
#include "runner/retrain.h"
#include "runner/stored_trial.h"

namespace kablate {

// What is not here as it was there: a phrase each, "sources 12ab… -> 34cd…".
struct Causes {
  std::vector<std::string> key;      // lines of the key: each can change the numbers
  std::vector<std::string> machine;  // arithmetic and system: each can change the last bits
  // "configuration", "sources", "data", "CPU", "ONEDNN_MAX_CPU_ISA" …, each once
  std::vector<std::string> names() const;
};

struct RerunPlan {
  StoredTrial stored;
  std::string key_text;  // here
  Causes causes;
  std::vector<std::string> damage;  // of the stored files (record/comparison.h)
};

// Throws UserError if the trial is not finished, or its data are missing.
RerunPlan plan_rerun(const TrialFolder& folder, const Program& program);

struct RerunResult {
  bool interrupted = false;
  std::string failure;          // why it did not get to its end; "" if it did
  ResultComparison comparison;  // with what the stored summary and loss log say
  std::filesystem::path kept;   // the new trial's folder; empty if it is equal

  bool equal() const { return !interrupted && failure.empty() && comparison.equal(); }
};

// Trains it, in a scratch folder. REQUIRES: stop signals are caught.
RerunResult rerun(const RerunPlan& plan, const Program& program);

}  // namespace kablate
