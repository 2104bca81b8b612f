// What differs between two runs or two experiments: configuration, what made them, and what came of it. From
// their folders alone.
#pragma once

#include <string>
#include <vector>

#include "record/layout.h"

namespace kablate {

// Lines under a heading; a section without lines says that nothing differs there.
struct DifferenceSection {
  std::string title;
  std::vector<std::string> lines;
};

// Of two trials: "configuration" (symbol: a -> b), "key" (seed, data, threads, sources …), "environment" and
// "results" (losses, where the loss logs part, whether the weights are equal, times). Unfinished trials have
// only what is there. Throws UserError if a configuration can't be read.
std::vector<DifferenceSection> trial_differences(const TrialFolder& a, const TrialFolder& b);

// Of two experiments: "base configuration", "plan" (steps, seeds, the plan's text), and "results": for each
// step that both have the mean losses over its finished seeds and, over the seeds that both have, the
// difference: paired, unpaired, or why the step is not comparable (another arm, data, validation windows).
// Its digits are those that its standard error leaves. Throws UserError if a plan or a base configuration
// can't be read.
std::vector<DifferenceSection> experiment_differences(const ExperimentFolder& a, const ExperimentFolder& b);

}  // namespace kablate
