// From a configuration and a plan to trials with keys: what `run` and `plan` do first.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include <c10/core/Device.h>

#include "cli/options.h"
#include "data/dataset.h"
#include "plan/plan.h"
#include "record/gate_check.h"
#include "record/plan_record.h"

namespace kablate {

// The plan with what `plan.json` says of it.
PlanRecord describe_plan(const Plan& plan);

// Where trials run. Throws UserError where this machine lacks what DEVICE or KERNELS ask for.
c10::Device device_of_trials(const Config& base);

// Fixes this process to one thread, and to the kernels of the plan's trials.
void prepare_gates(const Plan& plan);

// The first act of whatever trains a plan: the gates. A step that fails one is blocked, with a line in the
// log; the others stay as they are.
std::vector<GateCheck> audit_first(Plan& plan);

// The threads of a trial if they are known: THREADS, or
// what an earlier run of the experiment chose; 1 on a GPU.
std::optional<std::int64_t> known_threads(const Config& base, const ExperimentFolder& folder,
                                          c10::Device device);

// The same, chosen by measurement and stored where they
// are not known yet (the experiment's folder must exist).
std::int64_t threads_of_trials(const Plan& plan, const Config& base, const ExperimentFolder& folder,
                               c10::Device device);

// By DTYPE of the plan's steps: the FLOP/s that utilisation is measured against, from the experiment's
// peak.json where this machine stands there, else measured now and added to it. To be called before anything
// else runs.
std::map<std::string, double> peaks_of_trials(const Plan& plan, const ExperimentFolder& folder,
                                              std::int64_t threads, c10::Device device);

// As on `device`, which need not be here: what `submit` sends elsewhere.
void assign_keys(Plan& plan, const Config& base, const Dataset& data, std::int64_t threads,
                 c10::Device device);
void assign_keys(Plan& plan, const Config& base, const Dataset& data, std::int64_t threads);

// Throws UserError if the trials to come, and `more` bytes, need more than 90 % of the space that is free
// (trust: F8).
void check_disk_space(const Plan& plan, std::int64_t trials_to_run, std::int64_t parallel,
                      const ExperimentFolder& folder, std::int64_t more);

}  // namespace kablate
