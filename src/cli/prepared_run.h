// What `run` and `submit` do before any trial is started: the plan with its data, checked; the gates; the
// experiment's folder.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cli/options.h"
#include "config/config.h"
#include "data/dataset.h"
#include "plan/plan.h"
#include "record/layout.h"
#include "record/plan_record.h"

namespace kablate {

struct PreparedRun {
  Config base;
  Plan plan;
  std::shared_ptr<const Dataset> data;
  ExperimentFolder folder;
};

// Writes nothing. Throws UserError where the configuration, the plan, the data or what lies in the folder
// don't allow it.
PreparedRun prepare_run(const PlanOptions& options);

// Of the plan's trials those to be trained, by their places; of a retry those that failed or diverged.
// REQUIRES, as what follows: keys have been assigned.
std::vector<std::size_t> trials_to_run(const PreparedRun& run, bool retry);
int say_nothing_failed(const PreparedRun& run);  // of a retry; an exit code

// The gates, which block steps; then the experiment's files. Throws UserError where the disk is too full for
// so many trials, `parallel` at once.
PlanRecord audit_and_write(PreparedRun& run, std::int64_t trials, std::int64_t parallel);

}  // namespace kablate
