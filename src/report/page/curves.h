// The validation curves as data for the page's script, and as a table.
#pragma once

#include "base/json.h"
#include "report/report.h"
#include "report/table.h"

namespace kablate::page {

// { heading, unit, arms: [{step, name, role, seeds, x: [iteration…], mean, low, high: over seeds at x,
//   change: {x, mean, low, high: the 95 % interval or null},
//   trials: {x, seeds, y: [losses of a seed at x…]}, only where there are several and room for them}…],
//   evaluations: the most of an arm, points, trial_points: the most that a curve of means and that of a trial
//   is drawn with; trial_points 0: no room }
// Steps that are finished and no reruns; thinned so that the means' curves stay within some 12,000 points and
// the trials' within 60,000.
Json curve_data(const Report& report);

TextTable curve_table(const Report& report);  // the means at a dozen evaluations; without rows where none are

}  // namespace kablate::page
