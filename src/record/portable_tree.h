// What of an experiment's folder goes to another place, and whether it is what was written.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "record/layout.h"

namespace kablate {

struct PortableTree {
  std::vector<std::string> files;     // paths within the folder, sorted
  std::vector<std::string> left_out;  // what else lies there, a phrase each: trials that a process works on …
  std::vector<std::string> faults;    // files that are not as their checksums say, a phrase each
  std::vector<std::string> problems;  // looks that are torn or missing, which no writing anew could mend
};

// All files of the experiment and of its trials, planned or not, without claims, temporary files,
// checked.json and what other programs read (tensorboard/, wandb/, trackio/); checkpoints only if asked for.
// Each file that has a checksum is read and compared with it. Throws UserError if `folder` is no experiment's
// folder or its plan.json can't be read.
PortableTree portable_tree(const ExperimentFolder& folder, bool with_checkpoints);

// Throws UserError that names the first of the faults, and says how many more there are.
void refuse_faults(const PortableTree& tree);

}  // namespace kablate
