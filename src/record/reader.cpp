#include "record/reader.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/text.h"
#include "record/claim.h"
#include "record/done.h"
#include "record/imported.h"
#include "record/looks.h"
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

void sort_row(MetricsRow row, TrialRecord& record) {
  if (auto* evaluation = std::get_if<EvaluationRow>(&row)) {
    record.evaluated_on.push_back({evaluation->iteration, evaluation->tokens});
    record.evaluations.push_back(std::move(*evaluation));
  } else if (auto* mechanisms = std::get_if<MechanismRow>(&row)) {
    record.mechanisms.push_back(std::move(*mechanisms));
  } else {
    const auto& train = std::get<TrainRow>(row);
    record.trained_on.push_back({train.iteration, train.tokens});
  }
}

// Nothing is said of what lies between, and thousands of trials are kept at once.
void keep_ends(std::vector<MechanismRow>& rows) {
  if (rows.empty()) return;
  const auto first = rows.front().iteration, last = rows.back().iteration;
  std::erase_if(rows, [&](const auto& row) { return row.iteration != first && row.iteration != last; });
  rows.shrink_to_fit();
}

// Of a finished trial: it is left out of the table.
void mark_damaged(TrialRecord& record, const std::string& reason) {
  record.state = TrialState::kDamaged;
  record.reason = reason;
  record.summary.reset();
}

void read_rows(const TrialFolder& folder, const std::optional<DoneList>& done, TrialRecord& record,
               std::vector<std::string>& problems) {
  if (!record.summary && !is_file(folder.metrics())) return;
  try {
    std::error_code ignored;
    if (fs::exists(folder.key(), ignored)) record.key_text = read_checked(done, folder.key());
    std::int64_t damaged = 0;
    for (auto& row : parse_metrics(read_checked(done, folder.metrics()), &damaged))
      sort_row(std::move(row), record);
    keep_ends(record.mechanisms);
    if (damaged == 0) return;
    const auto what = str(folder.metrics().string(), ":", damaged, ": no row of metrics from here on");
    if (record.summary) mark_damaged(record, what);
    problems.push_back(what);
  } catch (const UserError& fault) {
    if (record.summary) mark_damaged(record, fault.what());
    problems.push_back(fault.what());
  }
}

// What was found of its weights after it was finished.
void add_later_files(const TrialFolder& folder, TrialRecord& record, std::vector<std::string>& problems) {
  if (!record.summary) return;
  const auto& weights = record.summary->weights_sha256;
  std::string of_heads, of_knockout;
  record.heads = read_heads(folder, weights, &of_heads);
  record.knockout = read_knockout(folder, weights, &of_knockout);
  for (const auto& problem : {of_heads, of_knockout})
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
                                    "failed",  "diverged", "done",    "damaged"};
  return kNames[static_cast<int>(state)];
}

const TrialRecord* ExperimentRecord::find_trial(std::int64_t step, std::int64_t seed) const {
  const auto found = places.find({step, seed});
  return found == places.end() ? nullptr : &trials[found->second];
}

namespace {

// Empty without DONE. Throws UserError where the summary can't be believed.
std::optional<TrialSummary> read_summary(const TrialFolder& folder, const std::optional<DoneList>& done) {
  if (!done) return {};
  const auto path = folder.summary();
  try {
    return summary_from_json(Json::parse(read_checked(done, path)));
  } catch (const Json::exception& fault) {
    throw UserError(str(path.string(), ": is no summary of a trial (", fault.what(), ")"));
  } catch (const std::out_of_range& fault) {
    throw UserError(str(path.string(), ": ", fault.what()));
  }
}

}  // namespace

std::optional<TrialSummary> finished(const TrialFolder& folder) {
  try {
    return read_summary(folder, DoneList::read(folder));
  } catch (const UserError&) {
    return {};
  }
}

std::optional<TrialSummary> finished_and_whole(const TrialFolder& folder) {
  const auto summary = finished(folder);
  return summary && damaged_files(folder).empty() ? summary : std::nullopt;
}

namespace {

// read_trial; `done` gets its DONE.
TrialRecord read_state(const TrialFolder& folder, std::optional<DoneList>& done) {
  TrialRecord record;
  try {
    done = DoneList::read(folder);
    record.summary = read_summary(folder, done);
  } catch (const UserError& fault) {
    mark_damaged(record, fault.what());
    return record;
  }
  if (!record.summary) {
    judge_unfinished(folder, record);
  } else {
    record.state = record.summary->status == "done" ? TrialState::kDone : TrialState::kDiverged;
    record.environment_sha256 = done->sha256_of(folder.environment());
  }
  return record;
}

}  // namespace

TrialRecord read_trial(const TrialFolder& folder) {
  std::optional<DoneList> done;
  return read_state(folder, done);
}

std::string read_key_text(const TrialFolder& folder) {
  std::error_code ignored;
  return fs::exists(folder.key(), ignored) ? read_checked(folder, folder.key()) : "";
}

Settings read_trial_config(const TrialFolder& folder) {
  read_checked(folder, folder.config());
  return Settings::from_file(folder.config());
}

std::vector<MetricsRow> read_metrics(const TrialFolder& folder) {
  std::error_code ignored;
  if (!fs::exists(folder.metrics(), ignored) && !fs::exists(folder.done(), ignored)) return {};
  return parse_metrics(read_checked(folder, folder.metrics()));
}

Settings read_base_config(const ExperimentFolder& folder) {
  const auto path = folder.base_config();
  const Json recorded = read_sealed(folder.plan()).value(kBaseConfigSum, Json());
  const auto damage = damage_of(read_text(path), recorded.is_string() ? recorded.get<std::string>() : "");
  if (!damage.empty())
    throw FileFault(
        FileFault::Kind::kDamaged,
        str(path.string(), ": ", damage, " in plan.json; run the experiment again to write both anew"));
  return Settings::from_file(path);
}

void refuse_older_format(const ExperimentFolder& folder) {
  const auto check = [](auto&& read) {
    try {
      read();
    } catch (const FileFault& fault) {
      if (fault.kind() == FileFault::Kind::kOlderFormat) throw;
    } catch (const UserError&) {  // damaged: whoever needs the file says so
    }
  };
  for (const auto& file : {folder.plan(), folder.threads(), folder.noise(), folder.judge(), folder.audit()})
    check([&] { read_sealed(file); });
  check([&] { read_looks(folder); });
}

void refuse_imported(const ExperimentFolder& folder, const PlanRecord& plan) {
  if (plan.imported)
    throw UserError(str(folder.path().string(), ": its runs were imported from ", plan.imported->file,
                        ": there is nothing to train or to read of them; name another experiment"));
}

void refuse_to_add(const ExperimentFolder& folder) {
  refuse_older_format(folder);
  std::optional<PlanRecord> plan;
  try {
    plan = read_plan(folder);
  } catch (const UserError&) {  // none yet, or a damaged one that is written anew
    return;
  }
  refuse_imported(folder, *plan);
}

PlanRecord read_plan(const ExperimentFolder& folder) {
  const auto path = existing_experiment(folder.path()).plan();
  const std::string mend = "; run the experiment again to write it anew: finished trials are kept";
  try {
    return plan_from_json(read_sealed(path));
  } catch (const FileFault& fault) {
    if (fault.kind() != FileFault::Kind::kDamaged) throw;
    throw FileFault(fault.kind(), fault.what() + mend);
  } catch (const Json::exception& fault) {
    throw UserError(str(path.string(), ": is no plan (", fault.what(), ")", mend));
  } catch (const std::out_of_range& fault) {
    throw UserError(str(path.string(), ": ", fault.what(), mend));
  }
}

namespace {

// "" where the trial's step is not refused.
std::string why_blocked(const PlanRecord& plan, const PlannedTrial& trial) {
  const auto* step = plan.find_step(trial.step);
  return step == nullptr ? "" : step->blocked;
}

}  // namespace

bool is_to_come(TrialState state) {
  return state == TrialState::kMissing || state == TrialState::kRunning || state == TrialState::kInterrupted;
}

std::vector<TrialState> trial_states(const ExperimentFolder& folder, const PlanRecord& plan) {
  std::vector<TrialState> states;
  if (plan.imported) {
    for (const auto& trial : read_imported(folder, plan)) states.push_back(trial.state);
    return states;
  }
  states.resize(plan.trials.size());
  for_each_on_all_cores(states.size(), [&](std::size_t i) {
    const auto& trial = plan.trials[i];
    states[i] = why_blocked(plan, trial).empty() ? read_trial(folder.trial(trial.folder)).state
                                                 : TrialState::kBlocked;
  });
  return states;
}

namespace {

TrialRecord read_planned(const ExperimentFolder& folder, const PlanRecord& plan, const PlannedTrial& trial,
                         std::vector<std::string>& problems) {
  const auto trial_folder = folder.trial(trial.folder);
  std::optional<DoneList> done;
  auto record = read_state(trial_folder, done);
  record.planned = trial;
  if (record.state == TrialState::kDamaged)
    problems.push_back(record.reason);
  else
    read_rows(trial_folder, done, record, problems);
  add_later_files(trial_folder, record, problems);
  if (auto reason = why_blocked(plan, trial); !reason.empty())
    record.state = TrialState::kBlocked, record.reason = std::move(reason);
  return record;
}

void add_places(ExperimentRecord& experiment) {
  for (std::size_t i = 0; i < experiment.trials.size(); ++i) {
    const auto& planned = experiment.trials[i].planned;
    experiment.places.try_emplace({planned.step, planned.seed}, i);
  }
}

}  // namespace

ExperimentRecord read_experiment(const ExperimentFolder& folder) {
  return read_experiment(folder, read_plan(folder));
}

ExperimentRecord read_experiment(const ExperimentFolder& folder, const PlanRecord& plan) {
  ExperimentRecord experiment{.plan = plan, .trials = {}, .others = {}, .problems = {}};
  if (plan.imported) {
    experiment.trials = read_imported(folder, plan);
    add_places(experiment);
    return experiment;
  }
  std::set<std::string> planned;
  for (const auto& trial : plan.trials) planned.insert(trial.folder);
  experiment.trials.resize(plan.trials.size());
  std::vector<std::vector<std::string>> problems(plan.trials.size());
  for_each_on_all_cores(plan.trials.size(), [&](std::size_t i) {
    experiment.trials[i] = read_planned(folder, plan, plan.trials[i], problems[i]);
  });
  for (const auto& of_trial : problems)
    experiment.problems.insert(experiment.problems.end(), of_trial.begin(), of_trial.end());
  add_places(experiment);
  for (const auto& name : folder.trial_folders())
    if (!planned.contains(name)) experiment.others.push_back(name);
  return experiment;
}

}  // namespace kablate
