// Where a table comes from: how its arms' configurations differ, on what it was made, and how to make it
// again.
#pragma once

#include <string>

#include "record/layout.h"
#include "report/report.h"

namespace kablate::page {

std::string differences_markup(const Report& report);  // by what each step's trials were keyed with
std::string environment_markup(const ExperimentFolder& folder, const Report& report);
std::string commands_markup(const ExperimentFolder& folder, const Report& report);

}  // namespace kablate::page
