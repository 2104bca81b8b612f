// The experiments of one plan that several machines have trained, as one. Nothing is read but their folders.
#pragma once

#include <string>
#include <vector>

#include "record/layout.h"
#include "record/plan_record.h"
#include "record/portable_tree.h"
#include "record/reader.h"

namespace kablate {

struct MergeSource {
  std::string name;  // as the user calls it
  ExperimentFolder folder;
  PortableTree tree;  // its files; without faults
};

// A planned trial, and which of the sources has it.
struct MergedTrial {
  TrialRecord record;
  std::size_t source = 0;               // whose files are taken
  std::vector<std::size_t> equal_ones;  // others that have the same trial with the same results
};

struct MergedExperiment {
  PlanRecord plan;                  // seeds and steps of all, sorted; its last note says whose they are
  std::vector<MergedTrial> trials;  // as planned
};

// Throws UserError that names two sources and what stands against it: another plan, another configuration of
// a step, a trial that came out otherwise or was made otherwise in both, and trials of one seed that can't be
// taken from the sources so that those of different sources are pairs (merge_pairs.h). What has ended since a
// source's tree was made is taken as still running. REQUIRES: a source or more, none imported.
MergedExperiment merge_experiments(const std::vector<MergeSource>& sources);

// Writes it to `out`, an empty folder: plan, configurations, trials, looks, gates and what was measured
// (FORMAT.md says how each comes to be one). What is not taken over is said on the log. Throws UserError
// where gates of two sources do not agree, WorkError or filesystem_error where it can't be written.
void write_merged(const std::vector<MergeSource>& sources, const MergedExperiment& merged,
                  const ExperimentFolder& out);

// Reads what was written. Throws WorkError where a file is not as its checksum says, or a trial not in the
// state that `merged` has: a source has changed meanwhile, or the disk is at fault.
void check_merged(const MergedExperiment& merged, const ExperimentFolder& out);

}  // namespace kablate
