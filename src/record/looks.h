// looks.jsonl: each look at an experiment's table. Seeds that are added after a look make a chance finding
// likelier than the test says; so the table tells of the looks that came before it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "record/layout.h"
#include "record/reader.h"

namespace kablate {

struct Look {
  std::string time;                   // UTC, as 2026-01-31T12:00:00Z
  std::vector<std::int64_t> planned;  // the seeds of the plan then
  std::vector<std::string> trials;    // the folders of the finished trials that the table was made of, sorted
  std::string sha256;                 // of its line (FORMAT.md)
};

// In the order in which they were taken; lines that are none are left out. `problems`, where given, gets a
// phrase for each line that is not as it was written, and for each that lacks the line that it followed.
// Throws FileFault if the file is of an earlier format.
std::vector<Look> read_looks(const ExperimentFolder& folder, std::vector<std::string>* problems = nullptr);

// Appends a look at the finished ones of `trials`, unless there are none or the last look was at the same.
// True if it did. Throws WorkError.
bool record_look(const ExperimentFolder& folder, const std::vector<std::int64_t>& planned,
                 const std::vector<TrialRecord>& trials);

// looks.jsonl of several experiments as one: by time, each one's lines in their order, a line that several
// have once; a line that is no look stays behind the one before it.
std::string joined_looks(const std::vector<ExperimentFolder>& folders);

// What makes a trial of a look the same as one of now: its folder's name, which has the key, so that other
// configurations don't count; of imported runs, which have no configuration, arm and seed alone, wherever the
// file has them and with whatever loss.
enum class SameTrial { kFolder, kArmAndSeed };

// A look at fewer seeds of the same trials.
struct EarlierLook {
  std::vector<std::int64_t> seeds;      // those of which two steps or more could be compared
  std::vector<std::int64_t> since;      // the seeds that have come to that
  std::vector<std::int64_t> unplanned;  // those of `since` that were not planned at the look
  bool operator==(const EarlierLook&) const = default;
};

// The looks before the table of `trials`, each set of seeds once, as it was first looked at; the
// fewest seeds first.
std::vector<EarlierLook> earlier_looks(const std::vector<Look>& looks, const std::vector<TrialRecord>& trials,
                                       SameTrial same = SameTrial::kFolder);

}  // namespace kablate
