// `kablate report --watch`: the table again whenever a trial has ended.
#pragma once

#include "record/layout.h"

namespace kablate {

// Prints the report and writes its files, and does so again when the states of the plan's trials have
// changed, looking every `seconds`; on a terminal the table is written over. Each table is a look
// (record/looks.h). Ends when no trial of the plan is running, interrupted or missing: the exit code is then
// that of `report`; after a signal kExitInterrupted. Throws UserError as make_report does.
int watch_report(const ExperimentFolder& folder, double seconds);

}  // namespace kablate
