// What of a base configuration does not reach the steps that run: values that the steps set themselves, and
// values that nothing reads.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "config/settings.h"
#include "plan/plan.h"

namespace kablate {

// Notes on what `base` gives and `selected` steps do not use, where a file gives it and it is not the menu's
// default: one on what the steps override, one on what nothing reads. What is given on a command line and
// reaches no selected step is a UserError that says which steps set it, or what would make it be read.
// `whole` are the steps of the plan, selected or not.
std::vector<std::string> check_overrides(const Settings& base, const std::vector<Step>& selected,
                                         const std::map<std::int64_t, Step>& whole);

// The same for a command that trains the baseline alone: what is given on a command line and does not reach
// it is a UserError.
void check_baseline_overrides(const Settings& base, const Step& baseline);

}  // namespace kablate
