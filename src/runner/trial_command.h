// The command line between the runner and the process of a trial: built and parsed here.
#pragma once

#include <string>
#include <vector>

#include "record/layout.h"
#include "train/trial.h"

namespace kablate {

// Exit codes that only the runner sees, beside those of base/error.h.
constexpr int kTrialDiverged = 10;
constexpr int kTrialHeldByAnother = 11;

// Where a process started by the runner finds its configuration, every symbol of it: a file would have to be
// written before the folder is claimed, over the one that another run's trial may have there.
constexpr const char* kFromInput = "/dev/stdin";

// `kablate trial FOLDER … < CONFIG`; what the process knows by itself (sources) is left out.
std::vector<std::string> trial_arguments(const TrialFolder& folder, const TrialOrder& order);

// The way back, from the arguments after `trial`. Throws UserError.
TrialOrder parse_trial_arguments(const std::vector<std::string>& arguments, std::string& folder);

}  // namespace kablate
