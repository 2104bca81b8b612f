// What was given to a cluster's scheduler, as it lies in slurm/N of the experiment (cluster/FORMAT.md): which
// trials, by which program, as which jobs.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "record/layout.h"

namespace kablate {

struct SubmittedTrial {
  std::int64_t step = 0;
  std::string name;  // the step's
  std::int64_t seed = 1, rerun_index = 0;
  std::string key;
};

struct Submission {
  std::string created;         // UTC
  std::filesystem::path data;  // folder of prepared data
  std::int64_t threads = 1;    // of a trial
  bool retry = false;          // of trials that failed or diverged
  std::vector<SubmittedTrial> trials;
};

// A job that sbatch took.
struct SubmittedJob {
  std::string id;
  std::int64_t first = 0, count = 0;  // places in the submission's trials, of an array; 0 of the report's
};

class SubmissionFolder {
 public:
  using Path = std::filesystem::path;
  explicit SubmissionFolder(Path path) : path_(std::move(path)) {}

  const Path& path() const { return path_; }
  Path record() const { return path_ / "submission.json"; }
  Path jobs() const { return path_ / "jobs.txt"; }
  Path program() const { return path_ / "kablate"; }
  Path array_script() const { return path_ / "trials.sh"; }
  Path report_script() const { return path_ / "report.sh"; }
  Path log() const { return path_ / "log"; }
  Path config(std::int64_t step) const { return path_ / ("step" + std::to_string(step) + ".config"); }
  // The experiment that it belongs to.
  ExperimentFolder experiment() const { return ExperimentFolder(path_.parent_path().parent_path()); }

 private:
  Path path_;
};

// slurm/0001 and so on, made for the caller alone. Throws UserError if it can't be made.
SubmissionFolder new_submission(const ExperimentFolder& folder);
std::vector<SubmissionFolder> submissions(const ExperimentFolder& folder);  // by number

void write_submission(const SubmissionFolder& folder, const Submission& submission);
Submission read_submission(const SubmissionFolder& folder);  // throws UserError

// A line each, as sbatch takes them.
void add_job(const SubmissionFolder& folder, const SubmittedJob& job);
std::vector<SubmittedJob> read_jobs(const SubmissionFolder& folder);  // without a torn line

}  // namespace kablate
