// Reads an experiment's folder. Missing, torn or damaged files of a trial take it out of the table and are
// reported; they never stop the reading.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "record/heads_record.h"
#include "record/knockout_record.h"
#include "record/layout.h"
#include "record/metrics_row.h"
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
  kDamaged,  // finished, and a file that was read is not what DONE records
};
const char* state_name(TrialState state);  // "missing", …

// What was read of the data up to an iteration, since the entry before (metrics_row.h, tokens).
struct TokenHash {
  std::int64_t iteration = 0;
  std::string tokens;
  bool operator==(const TokenHash&) const = default;
};

struct TrialRecord {
  PlannedTrial planned;
  TrialState state = TrialState::kMissing;
  std::string reason;                      // of a failure, or what is damaged
  std::optional<TrialSummary> summary;     // kDone, and kDiverged where one was written
  std::string key_text;                    // key.txt; "" where there is none
  std::string environment_sha256;          // of a finished trial's environment.json, as DONE records it
  std::vector<EvaluationRow> evaluations;  // of unfinished trials too, as are the next three
  std::vector<MechanismRow> mechanisms;    // of the first evaluation that has some, and of the last
  std::vector<TokenHash> trained_on;       // a logged iteration each: together they cover every iteration
  std::vector<TokenHash> evaluated_on;     // an evaluation each
  std::optional<HeadsRecord> heads;        // of a finished trial, where somebody looked at it
  std::optional<KnockoutRecord> knockout;  // likewise
};

struct ExperimentRecord {
  PlanRecord plan;
  std::vector<TrialRecord> trials;    // as planned
  std::vector<std::string> others;    // trial folders that the present plan does not name
  std::vector<std::string> problems;  // a line for each file that can't be read
  // Where in `trials` a step's seed stands.
  std::map<std::pair<std::int64_t, std::int64_t>, std::size_t> places = {};

  const TrialRecord* find_trial(std::int64_t step, std::int64_t seed) const;  // null if it is not planned
};

// Throws UserError if `folder` is no experiment's folder or its plan.json can't be read.
ExperimentRecord read_experiment(const ExperimentFolder& folder);
ExperimentRecord read_experiment(const ExperimentFolder& folder,
                                 const PlanRecord& plan);  // under another plan
PlanRecord read_plan(const ExperimentFolder& folder);

// base.config. Throws UserError if it is not the one that plan.json was written with.
Settings read_base_config(const ExperimentFolder& folder);

// Throws FileFault if the experiment was written in an earlier format.
void refuse_older_format(const ExperimentFolder& folder);

// Throws UserError if its runs were imported: they have no configuration, no weights and no logs.
void refuse_imported(const ExperimentFolder& folder, const PlanRecord& plan);

// Both, to be asked before anything is added to the experiment; its plan may be missing or damaged.
void refuse_to_add(const ExperimentFolder& folder);

// The summary of a trial whose DONE is there and records this summary.json; its other files are not looked
// at.
std::optional<TrialSummary> finished(const TrialFolder& folder);

// The same only if every file of the trial is what DONE records.
std::optional<TrialSummary> finished_and_whole(const TrialFolder& folder);

// The state of one trial folder by DONE and summary.json; without its rows.
TrialRecord read_trial(const TrialFolder& folder);

// Whether a trial in this state has yet to end.
bool is_to_come(TrialState state);

// The state of each planned trial, in their order; without their rows. Of an imported experiment it throws as
// read_imported.
std::vector<TrialState> trial_states(const ExperimentFolder& folder, const PlanRecord& plan);

// The files of one trial. Of a finished one only as DONE records them, else FileFault; likewise below.
std::string read_key_text(const TrialFolder& folder);  // key.txt; "" if there is none
Settings read_trial_config(const TrialFolder& folder);
std::vector<MetricsRow> read_metrics(const TrialFolder& folder);  // of an unfinished one without a torn end

}  // namespace kablate
