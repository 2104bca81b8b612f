// The curves of an experiment as TensorBoard reads them: a folder a trial with one file of events, made from
// the trial's files alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "record/layout.h"
#include "report/tracked.h"

namespace kablate {

// A file's content. It grows at its end as the trial logs: what was made of fewer rows is its beginning. A
// value's time is TrackedTrial::began and the seconds of its row.
std::string event_file_text(const TrackedTrial& trial);

struct TensorboardRuns {
  std::int64_t runs = 0;               // trials of the plan that have logged something
  std::int64_t renewed = 0;            // of them those whose file has changed
  bool complete = true;                // every trial of the plan has ended
  std::vector<std::string> problems;   // a line for each trial that is left out
  std::vector<std::string> strangers;  // folders in `out` with a run's name that the plan does not have
};

// Brings `out`, which is made, up to date. A file of which what is there is the beginning is gone on with,
// since TensorBoard reads a file from where it was and sees no other file of the same name; where it is not
// (an interrupted trial made its last rows again, another configuration), the whole stands in a file with the
// next number, and those before it are left empty. Two processes may do this at once. Throws UserError as
// read_plan, and if `out` can't be made or written to; WorkError if the disk fills.
TensorboardRuns write_tensorboard(const ExperimentFolder& folder, const std::filesystem::path& out);

}  // namespace kablate
