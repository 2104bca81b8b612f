// All that is known of a plan before anything is trained: what `plan` prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/sensitivity.h"
#include "plan/plan.h"
#include "record/layout.h"
#include "record/plan_record.h"
#include "runner/runner.h"

namespace kablate {

constexpr double kQuickSeconds = 10;  // what `plan` takes at the most to time iterations without being asked

constexpr const char* kIfDiverged = "`kablate retry` tries it again";  // said of trials of `run`

// What to do about steps whose time no finished trial tells.
enum class Timing {
  kNever,
  kIfQuick,  // where ten iterations of each take less than kQuickSeconds in all
  kAlways,
};

struct Outlook {
  Plan plan;
  PlanRecord record;
  std::vector<std::optional<double>> ms_per_iter;  // a step each
  std::vector<TrialDecision> decisions;  // a trial each; empty where data or threads are not known yet
  std::int64_t parallel = 1;
  std::string undecided;  // why there are no decisions
  bool measured = false;  // some times are not recorded ones but were measured for this
  Sensitivity sensitivity;
};

// Of the plan that `settings` ask for. A step's time is that of a finished trial that differs in nothing but
// the seed, or of its target where it is a rerun; of the others ten iterations are timed as `timing` says.
Outlook make_outlook(const Settings& settings, const ExperimentFolder& folder, Timing timing);

std::optional<double> expected_seconds(const Outlook& outlook,
                                       std::size_t step);      // of a trial; empty: not known
std::optional<double> expected_total(const Outlook& outlook);  // of all trials that will run

}  // namespace kablate
