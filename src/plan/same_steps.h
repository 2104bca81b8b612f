// Steps of a plan beside each other: two that would train one model, two that share a name, and those whose
// losses could not be compared.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "plan/plan.h"

namespace kablate {

// Of arms of one name (by number -> step; reruns follow their target) the baseline, or else the first, keeps
// it; the others add each symbol that they train with and the value, where that differs from the first's.
void tell_names_apart(std::map<std::int64_t, Step>& steps, std::int64_t baseline);

// Throws UserError, with both places, where two steps that are neither reruns nor controls train the same.
void refuse_same_steps(const std::vector<Step>& steps, std::int64_t baseline);

// Throws UserError for a step whose loss would be measured on other tokens than the baseline's, or, where
// that is not among the steps, than the first one's.
void refuse_other_losses(const std::vector<Step>& steps, std::int64_t baseline);

}  // namespace kablate
