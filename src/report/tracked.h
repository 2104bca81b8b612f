// A trial as programs that keep and draw curves take it: the planned trials of an experiment that have logged
// something, each with its configuration and every logged number once, however often it was interrupted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "record/reader.h"
#include "record/scalars.h"

namespace kablate {

struct TrackedTrial {
  TrialName trial;   // its key has 12 digits
  std::string role;  // PlannedStep::role
  TrialState state = TrialState::kRunning;
  // Seconds since 1970 at which the training would have begun, had it gone to its end in one piece: `ended`
  // less wall_seconds. Of a trial that is not finished when its folder was first written.
  double began = 0;
  std::map<std::string, Json> config;  // symbol -> true, number or text
  std::map<std::string, std::pair<std::string, std::string>>
      changes;                          // symbol -> base.config's text, its own
  std::string defconfig;                // what differs from the menu's defaults
  std::optional<TrialSummary> summary;  // of a finished one
  std::vector<ScalarRow> rows;
};

// Empty where nothing was logged yet. Throws UserError (FileFault) where a file is not what DONE or plan.json
// says, or is damaged.
std::optional<TrackedTrial> read_tracked(const ExperimentFolder& folder, const PlanRecord& plan,
                                         const PlannedTrial& planned);

Json to_json(const TrackedTrial& trial);  // a line of `kablate tracked`

}  // namespace kablate
