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

// `kablate trial FOLDER …`; what the process knows by itself (sources) is left out.
std::vector<std::string> trial_arguments(const TrialFolder& folder, const TrialOrder& order);

// The way back, from the arguments after `trial`. Throws UserError.
TrialOrder parse_trial_arguments(const std::vector<std::string>& arguments, std::string& folder);

}  // namespace kablate
