// The validation curves as data for the page's script, and as a table.
#pragma once

#include "base/json.h"
#include "report/report.h"
#include "report/table.h"

namespace kablate::page {

// { heading, unit, arms: [{step, name, role, seeds, x: [iteration…], mean, low, high: over seeds at x,
//   change: {x, mean, low, high: the 95 % interval or null}}…] }
// Steps that are finished and no reruns; thinned so that all together stay within some 12,000 points.
Json curve_data(const Report& report);

TextTable curve_table(const Report& report);  // the means at a dozen evaluations; without rows where none are

}  // namespace kablate::page
