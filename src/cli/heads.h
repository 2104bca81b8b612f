// MEASURE_HEADS: what `kablate heads` does, for a plan's trials.
#pragma once

#include "plan/plan.h"
#include "record/layout.h"

namespace kablate {

// Writes heads.json for every finished trial whose step has MEASURE_HEADS = y, but for those that have one of
// their weights: of the sequences that `kablate heads` takes where nothing is given, copies no longer than
// half a context. A trial whose files don't allow it is named in the log. Throws
// Interrupted after a signal. REQUIRES: keys have been assigned.
void measure_heads(const ExperimentFolder& experiment, const Plan& plan);

}  // namespace kablate
