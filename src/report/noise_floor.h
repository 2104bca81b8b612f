// Whose noise floor noise.json is: what was measured of another baseline says nothing of this one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "record/noise.h"

namespace kablate {

// Whether one of `trials`, folders of a baseline's finished trials in `folder`, is of the arm that it was
// measured of.
bool is_floor_of(const NoiseFloor& noise, const ExperimentFolder& folder,
                 const std::vector<std::string>& trials);

// The noise floor of the experiment that a trial belongs to. Empty where none was measured, and where it is
// not to be used: `problem` then says why.
std::optional<NoiseFloor> noise_of_trial(const TrialFolder& trial, std::string& problem);

}  // namespace kablate
