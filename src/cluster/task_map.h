// Which trial is whose task.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "cluster/slurm.h"
#include "record/layout.h"

namespace kablate {

// By the name of the trial's folder. Of a trial that was submitted several times the last.
std::map<std::string, SlurmTask> tasks_by_trial(const ExperimentFolder& folder,
                                                const std::vector<SlurmTask>& tasks);

// Where the task of each trial writes, by the name of the trial's folder; the last, of several. It need not
// be there yet.
std::map<std::string, std::filesystem::path> logs_by_trial(const ExperimentFolder& folder);

// The ids of all jobs that were submitted, without those of reports.
std::vector<std::string> submitted_arrays(const ExperimentFolder& folder);

}  // namespace kablate
