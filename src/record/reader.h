// Reads an experiment's folder. Missing, torn or damaged files of a trial make that trial unfinished and are
// reported; they never stop the reading.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "record/layout.h"
#include "record/plan_record.h"
#include "record/summary.h"

namespace kablate {

enum class TrialState {
  kMissing,      // never started
  kBlocked,      // its step is refused
  kRunning,      // a live process has claimed it
  kInterrupted,  // started, and to be gone on with
  kFailed,       // the last attempt ended in an error
  kDiverged,     // the loss was no number any more
  kDone,
};
const char* state_name(TrialState state);  // "missing", …

struct Evaluation {
  std::int64_t iteration = 0;
  std::optional<double> train_loss, val_loss;
};

// What a block's mechanisms did at an evaluation: a row of metrics.jsonl of kind "mechanisms" (FORMAT.md).
struct MechanismRow {
  std::int64_t iteration = 0, block = 0;
  std::map<std::string, double> values;  // by the row's keys; without those of mechanisms that are off
};

struct TrialRecord {
  PlannedTrial planned;
  TrialState state = TrialState::kMissing;
  std::string reason;                    // of a failure
  std::optional<TrialSummary> summary;   // kDone, and kDiverged where one was written
  std::vector<Evaluation> evaluations;   // of unfinished trials too
  std::vector<MechanismRow> mechanisms;  // likewise
};

struct ExperimentRecord {
  PlanRecord plan;
  std::vector<TrialRecord> trials;    // as planned
  std::vector<std::string> others;    // trial folders that the present plan does not name
  std::vector<std::string> problems;  // a line for each file that can't be read

  const TrialRecord* find_trial(std::int64_t step, std::int64_t seed) const;  // null if it is not planned
};

// Throws UserError if `folder` is no experiment's folder or its plan.json can't be read.
ExperimentRecord read_experiment(const ExperimentFolder& folder);
ExperimentRecord read_experiment(const ExperimentFolder& folder,
                                 const PlanRecord& plan);  // under another plan
PlanRecord read_plan(const ExperimentFolder& folder);

// Whether DONE is there and matches summary.json. The summary, if so.
std::optional<TrialSummary> finished(const TrialFolder& folder);

// The state of one trial folder; without its evaluations.
TrialRecord read_trial(const TrialFolder& folder);

// key.txt of a trial; "" if there is none.
std::string read_key_text(const TrialFolder& folder);

}  // namespace kablate
