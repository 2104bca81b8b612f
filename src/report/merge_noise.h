// The noise floor of a merged experiment.
#pragma once

#include <vector>

#include "report/merge.h"

namespace kablate {

// noise.json and its trials as one source has them: seeds that several floors share can't be told from
// others, so that two are not made one. Of those that can be taken (of the merged baseline, fresh to the
// merged plan, each loss that of a finished trial) the one of most seeds, or the first; the log says what is
// left out and why. REQUIRES: the planned trials lie in `out`.
void write_merged_noise(const std::vector<MergeSource>& sources, const MergedExperiment& merged,
                        const ExperimentFolder& out);

}  // namespace kablate
