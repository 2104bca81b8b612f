// The figures of report.html that the program draws. Each is empty where there is nothing to show; what it
// shows stands in a table on the page as well.
#pragma once

#include <string>
#include <vector>

#include "report/page/drawing.h"
#include "report/report.h"

namespace kablate::page {

// A line of an interval plot.
struct IntervalRow {
  std::string label, verdict;  // above the line, at its left and its right end
  Difference difference;
  Ink ink = Ink::kOpen;
  bool beside = false;  // belongs to the line above it
};

// Differences with their 95 % intervals, one below the other, and the line of no change. REQUIRES: a row.
// `better`: which end of the axis is the good one.
Drawing interval_plot(const std::vector<IntervalRow>& rows, const std::string& title, const std::string& unit,
                      Better better);

Ink ink_of(const std::optional<Verdict>& verdict);

std::string forest_figure(const Report& report);    // change of each arm, its matched controls beside it
std::string effects_figure(const Report& report);   // of a factorial
std::string stairs_figure(const Report& report);    // of a path: the loss from stair to stair
std::string cost_figures(const Report& report);     // loss against each cost in which steps differ
std::string knockout_figure(const Report& report);  // what trained models lose without a mechanism
std::string heads_figures(const Report& report);    // a map of layers × heads for each step

}  // namespace kablate::page
