#include "record/reader.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "record/claim.h"
#include "record/metrics.h"

namespace kablate {
namespace {
namespace fs = std::filesystem;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

std::string text_or_empty(const fs::path& path) {
  try {
    return is_file(path) ? read_text(path) : "";
  } catch (const UserError&) {
    return "";
  }
}

// A loss as a row holds it: null where it was no number.
std::optional<double> number_at(const Json& row, const char* key) {
  const auto found = row.find(key);
  return found != row.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

MechanismRow mechanism_row(const Json& row) {
  MechanismRow result{row["iteration"], static_cast<std::int64_t>(number_at(row, "block").value_or(0)), {}};
  for (const auto& [key, value] : row.items())
    if (value.is_number() && key != "iteration" && key != "block") result.values[key] = value;
  return result;
}

void read_rows(const fs::path& path, TrialRecord& record, std::vector<std::string>& problems) {
  if (!is_file(path)) return;
  std::string problem;
  for (const auto& row : read_metrics(path, &problem)) {
    const auto kind = row.find("kind");
    if (kind == row.end()) continue;
    if (*kind == "eval")
      record.evaluations.push_back(
          {row["iteration"], number_at(row, "train_loss"), number_at(row, "val_loss")});
    if (*kind == "mechanisms") record.mechanisms.push_back(mechanism_row(row));
  }
  if (!problem.empty()) problems.push_back(problem);
}

// Fills state and reason of a trial that has no valid DONE.
void judge_unfinished(const TrialFolder& folder, TrialRecord& record) {
  if (claim_owner(folder)) {
    record.state = TrialState::kRunning;
    return;
  }
  const auto text = text_or_empty(folder.failure());
  if (!text.empty()) {
    try {
      const auto failure = failure_from_json(Json::parse(text));
      record.state = failure.status == "diverged" ? TrialState::kDiverged : TrialState::kFailed;
      record.reason = failure.reason;
    } catch (const Json::exception&) {
      record.state = TrialState::kFailed;
      record.reason = "failure.json can't be read";
    }
    return;
  }
  const bool begun = is_file(folder.config()) || is_file(folder.metrics());
  record.state = begun ? TrialState::kInterrupted : TrialState::kMissing;
}

}  // namespace

const char* state_name(TrialState state) {
  constexpr const char* kNames[] = {"missing", "blocked",  "running", "interrupted",
                                    "failed",  "diverged", "done"};
  return kNames[static_cast<int>(state)];
}

const TrialRecord* ExperimentRecord::find_trial(std::int64_t step, std::int64_t seed) const {
  for (const auto& trial : trials)
    if (trial.planned.step == step && trial.planned.seed == seed) return &trial;
  return nullptr;
}

std::optional<TrialSummary> finished(const TrialFolder& folder) {
  const auto mark = text_or_empty(folder.done()), text = text_or_empty(folder.summary());
  if (mark.empty() || trim(mark) != hex(sha256(text))) return {};
  try {
    return summary_from_json(Json::parse(text));
  } catch (const Json::exception&) {  // written by another version of the program
    return {};
  }
}

TrialRecord read_trial(const TrialFolder& folder) {
  TrialRecord record;
  record.summary = finished(folder);
  if (!record.summary) {
    judge_unfinished(folder, record);
  } else {
    record.state = record.summary->status == "done" ? TrialState::kDone : TrialState::kDiverged;
  }
  return record;
}

std::string read_key_text(const TrialFolder& folder) { return text_or_empty(folder.key()); }

PlanRecord read_plan(const ExperimentFolder& folder) {
  const auto path = existing_experiment(folder.path()).plan();
  try {
    return plan_from_json(Json::parse(read_text(path)));
  } catch (const Json::exception& fault) {
    throw UserError(str(path.string(), ": is damaged or of another version of the program (", fault.what(),
                        "); run the experiment again to write it anew: finished trials are kept"));
  }
}

ExperimentRecord read_experiment(const ExperimentFolder& folder) {
  return read_experiment(folder, read_plan(folder));
}

ExperimentRecord read_experiment(const ExperimentFolder& folder, const PlanRecord& plan) {
  ExperimentRecord experiment{.plan = plan, .trials = {}, .others = {}, .problems = {}};
  std::set<std::string> planned;
  for (const auto& trial : experiment.plan.trials) {
    planned.insert(trial.folder);
    const auto trial_folder = folder.trial(trial.folder);
    auto record = read_trial(trial_folder);
    record.planned = trial;
    read_rows(trial_folder.metrics(), record, experiment.problems);
    if (is_file(trial_folder.done()) && !record.summary)
      experiment.problems.push_back(trial_folder.summary().string() +
                                    ": does not match DONE; the trial counts as unfinished");
    const auto* step = experiment.plan.find_step(trial.step);
    if (step != nullptr && !step->blocked.empty())
      record.state = TrialState::kBlocked, record.reason = step->blocked;
    experiment.trials.push_back(std::move(record));
  }
  for (const auto& name : folder.trial_folders())
    if (!planned.contains(name)) experiment.others.push_back(name);
  return experiment;
}

}  // namespace kablate
