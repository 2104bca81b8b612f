// Runs that others have trained, from a CSV file: an experiment of plan.json and runs.json, without trials.
//
//   runs.csv ::= a line of names, then a line a run. arm, seed and loss are needed. Of a run: ms_per_iter,
//                tokens_per_s, peak_tensor_bytes, train_seconds, status; of an arm, so in all of its lines
//                the same or empty: parameters, flops_per_iteration, decode_cache_bytes_per_token
//
// The arms are steps from 0 on, in the order in which the file names them first.
#pragma once

#include <string>
#include <vector>

#include "record/plan_record.h"
#include "record/reader.h"

namespace kablate {

struct ImportOptions {
  std::string baseline;  // an arm's name; "" is the first
  Better better = Better::kLess;
};

struct ImportedRuns {
  PlanRecord plan;
  std::vector<TrialRecord> trials;   // as planned
  std::vector<std::string> ignored;  // columns that nothing is read from
};

// `path` is for messages and plan.json. Throws UserError with file, line, column, value and what is allowed:
// a column that is missing, stands twice or is nearly the name of one, a value that its column can't have, an
// arm's seed that stands twice, a baseline that is no arm.
ImportedRuns parse_runs(const std::string& csv, const std::string& path, const ImportOptions& options);

// In the place of an earlier import, whose arms stay in the family of the verdicts; a note of the plan names
// those that are gone. Throws UserError where the folder holds an experiment that was trained, WorkError
// where it can't be written.
void write_imported(const ExperimentFolder& folder, const ImportedRuns& runs);

// The trials of an imported plan. Throws FileFault if runs.json can't be believed, UserError if it is not of
// this plan.
std::vector<TrialRecord> read_imported(const ExperimentFolder& folder, const PlanRecord& plan);

}  // namespace kablate
