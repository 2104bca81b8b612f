// A table that is shown: what every command does that shows one.
#pragma once

#include "record/layout.h"
#include "report/report.h"

namespace kablate {

// Says on the log why the table can't be believed.
bool has_faults(const Report& report);

// Records that somebody looks at the table (record/looks.h). False, with a warning, where the folder can only
// be read; `lost` is what else is not written there then, "" or ending in "and ".
bool keep_look(const ExperimentFolder& experiment, const Report& report, const char* lost = "");

// The same, and writes the report's files. Throws WorkError.
void keep_report(const ExperimentFolder& experiment, const Report& report);

}  // namespace kablate
