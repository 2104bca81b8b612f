// Runs the trials of a plan, each in a process of its own, several at once, seed by seed (design, decision
// 6). Start here in runner/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plan/plan.h"
#include "record/layout.h"
#include "runner/workload.h"

namespace kablate {

// What will happen to a trial, and why.
struct TrialDecision {
  enum class Action { kSkip, kRun, kBlocked, kDiverged };  // kDiverged: not tried again
  Action action = Action::kRun;
  std::string reason;   // "done", "goes on from its checkpoint", "new: GPT2_N_LAYER 3 -> 4", …
  bool failed = false;  // its last attempt failed or diverged

  // Whether `run`, or `retry`, trains it.
  bool runs(bool retry = false) const { return retry ? failed : action == Action::kRun; }
};
TrialDecision decide(const ExperimentFolder& folder, const Trial& trial);
// Of each, in their order; their files are read on all cores.
std::vector<TrialDecision> decide_all(const ExperimentFolder& folder, const std::vector<Trial>& trials);

struct RunOrder {
  std::int64_t threads = 1, parallel = 1;
  std::map<std::string, double> peak_flops;  // by DTYPE, as measured before (record/peak.h)
  std::filesystem::path data_folder;
  Workload workload;              // of the plan's trials
  bool retry = false;             // run those alone whose last attempt failed or diverged
  bool from_other_ranks = false;  // go on from checkpoints of trials with another number of ranks
  std::string if_diverged = {};   // what to say of one beside that deleting it has it tried again
  // No trial is started that would not end within so many seconds, as far as can be told (forecast.h), and of
  // a seed that has no trial yet none unless all of that seed's would.
  std::optional<double> budget_seconds = {};
};

struct RunResult {
  std::int64_t done = 0, skipped = 0, failed = 0, blocked = 0;
  bool interrupted = false;
  std::int64_t started = 0;
  std::int64_t left = 0;               // to be run, and not started for lack of time
  std::int64_t elsewhere = 0;          // of these, what another run is at
  std::optional<double> left_seconds;  // which these would take, from the start of the first
};

// Brings every trial of the plan to its end, sharing the work with other runs on the same folder. Keys must
// have been assigned and the experiment been written. A failed trial doesn't stop the others.
RunResult run_plan(const ExperimentFolder& folder, const Plan& plan, const RunOrder& order);

}  // namespace kablate
