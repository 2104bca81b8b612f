// What sbatch is given: the scripts of a submission's jobs, by value. Start here in cluster/.
// Source: sbatch(1) of Slurm 22.05.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/cluster_options.h"

namespace kablate {

// Seconds of a time limit as Slurm writes it ("90", "1:30:00", "2-12"); empty for anything else.
std::optional<double> slurm_seconds(std::string_view text);

// Throws UserError naming the symbol, its value and what is allowed.
void check_slurm(const SlurmOptions& options);

struct SlurmJob {
  std::string experiment;                // for the name that squeue shows
  std::filesystem::path program;         // the copy that is to run, absolute
  std::filesystem::path folder;          // of the submission, absolute
  std::filesystem::path results;         // the experiment's folder, absolute
  std::int64_t cpus = 1;                 // of a rank
  std::int64_t ranks = 1;                // of a trial
  std::filesystem::path libraries = {};  // where the copy finds those that it would look for beside itself
};

// Task n of the array, called with its first place in the submission as an argument, trains the trial at
// place first + n. REQUIRES: check_slurm() passed.
std::string array_script(const SlurmOptions& options, const SlurmJob& job);

// Prints the table when they have ended.
std::string report_script(const SlurmOptions& options, const SlurmJob& job);

// Variables with which a user's shell would overrule what the script says.
std::vector<std::string> overruling_variables(const SlurmOptions& options);

// The calls of sbatch, one an array: no more than `most` tasks each, since a cluster limits an array's
// numbers. Where tasks at once are limited, an array waits for the one before it.
struct ArrayPart {
  std::int64_t first = 0, count = 0;
};
std::vector<ArrayPart> array_parts(std::int64_t tasks, std::int64_t most);
std::vector<std::string> array_call(const SlurmOptions& options, const ArrayPart& part,
                                    const std::filesystem::path& script, const std::string& after);
std::vector<std::string> report_call(const std::filesystem::path& script,
                                     const std::vector<std::string>& after);

}  // namespace kablate
