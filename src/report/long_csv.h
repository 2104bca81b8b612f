// The curves of an experiment for other programs: one row a trial and evaluation.
#pragma once

#include <string>

#include "report/report.h"

namespace kablate {

// experiment (its folder's name), step, arm, role, seed, key (its first 12 digits), status, iteration,
// train_loss, val_loss, and a column for each further term that some evaluation has (FORMAT.md). A trial
// without an evaluation has one row, whose numbers are empty. RFC 4180, lines end in \n, numbers in full.
std::string render_long_csv(const Report& report);

}  // namespace kablate
