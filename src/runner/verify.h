// Whether finished trials can be believed: their files are what they were, their weights give the loss that
// they report, and training them again with the same program gives the same bits.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "record/layout.h"
#include "runner/stored_trial.h"

namespace kablate {

enum class VerifyOutcome {
  kEqual,    // weights, loss log and final losses, bit for bit
  kClosed,   // files and weights are right; not trained again, as asked
  kFalse,    // the weights do not give what the trial reports (train/closing.h)
  kDiffers,  // trained again, and not equal
  kDamaged,  // the stored files are not those that were recorded when the trial finished
  kRefused,  // made by another configuration, program, data or machine: nothing that could be equal
  kFailed,   // training it again failed
};

struct TrialFinding {
  VerifyOutcome verdict;
  std::string label;  // "step 2 gate+cross, seed 1"
  // "equal", "differs: weights, first at iteration 40 (…)", "refused: sources 12ab -> 34cd"
  std::string text;
};

struct Verification {
  std::vector<TrialFinding> findings;       // a finished trial each
  std::int64_t unfinished = 0;              // left out
  bool interrupted = false;                 // findings are then incomplete
  std::vector<std::filesystem::path> kept;  // folders of the new trials that are not equal
};

// Checks files and closing of the finished ones of `trials`, then, if `retrains`, trains them again, as many
// at once as PARALLEL_TRIALS would, in a scratch folder. `found` is called with each finding, in the order of
// the trials, as soon as it and those before it are known. Throws UserError if the data of a trial are
// missing. REQUIRES: stop signals are caught, make_deterministic was called.
Verification verify_trials(const std::vector<TrialFolder>& trials, const Program& program, bool retrains,
                           const std::function<void(const TrialFinding&)>& found);

// In which cells the experiment's stored report.csv is not what its trials' files give now: a phrase each,
// empty if it is. REQUIRES: both files of the experiment, plan.json and report.csv, are there.
std::vector<std::string> verify_table(const ExperimentFolder& folder);

}  // namespace kablate
