// Writes the files of an experiment and its trials, each whole or not at all. (metrics.h writes the log,
// claim.h the claims; weights and checkpoints are tensors and belong to train/.)
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/json.h"
#include "record/layout.h"
#include "record/plan_record.h"
#include "record/summary.h"

namespace kablate {

struct Config;

// Makes the experiment's folder and writes plan.json, base.config and base.defconfig. Throws UserError if the
// folder can't be written, WorkError if the disk fills.
void write_experiment(const ExperimentFolder& folder, const PlanRecord& plan, const Config& base);

// changes-….patch, once for all trials of one state of the sources. REQUIRES: the folder is there.
void write_source_changes(const ExperimentFolder& folder, const std::string& patch,
                          const std::string& sha256);

// threads.json: the number of threads of a trial, chosen once, and what was measured to choose it.
void write_threads(const ExperimentFolder& folder, std::int64_t threads, const Json& measured);
// The same unless it stands there already; returns what stands there then, so that runs side by side agree.
std::int64_t write_threads_once(const ExperimentFolder& folder, std::int64_t threads, const Json& measured);
// Empty if there is none. Throws UserError if it is damaged: another number would train every trial anew.
std::optional<std::int64_t> read_threads(const ExperimentFolder& folder);

// Writes what is known before a trial starts (config, defconfig, key.txt, environment.json) and removes DONE
// of one whose files were damaged and the record of an earlier failure. REQUIRES: the caller holds the
// folder's claim.
void write_trial_start(const TrialFolder& folder, const Config& config, const std::string& key_text,
                       const Json& environment);

// Writes summary.json and then, last of all, DONE with the SHA-256 of every file: from here on the trial is
// finished. REQUIRES: all its other files are there; the summary's sums of weights and metrics are theirs.
void finish_trial(const TrialFolder& folder, const TrialSummary& summary);

void write_failure(const TrialFolder& folder, const Failure& failure);

// Pretty-printed with sorted keys and a line end.
std::string json_text(const Json& json);

}  // namespace kablate
