// The figures of report.html that the program draws. Each is empty where there is nothing to show; what it
// shows stands in a table on the page as well.
#pragma once

#include <string>

#include "report/page/drawing.h"
#include "report/report.h"

namespace kablate::page {

Ink ink_of(const std::optional<Verdict>& verdict);

std::string forest_figure(const Report& report);    // change of each arm, its matched controls beside it
std::string effects_figure(const Report& report);   // of a factorial
std::string stairs_figure(const Report& report);    // of a path: the loss from stair to stair
std::string cost_figures(const Report& report);     // loss against each cost in which steps differ
std::string knockout_figure(const Report& report);  // what trained models lose without a mechanism
std::string heads_figures(const Report& report);    // a map of layers × heads for each step

}  // namespace kablate::page
