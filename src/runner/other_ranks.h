// Trials that were begun with another number of ranks.
#pragma once

#include <filesystem>

#include "plan/plan.h"
#include "record/layout.h"

namespace kablate {

// The folder of an unfinished trial, at which no process is, whose key differs from this one's in its ranks
// alone, with the latest checkpoint of those; "" if there is none, or this trial has a checkpoint of its own.
std::filesystem::path begun_with_other_ranks(const ExperimentFolder& experiment, const Trial& trial);

}  // namespace kablate
