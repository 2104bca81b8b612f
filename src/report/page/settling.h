// What would settle the arms that are open, those with too few pairs for a verdict: how many seeds, how long.
#pragma once

#include <string>

#include "report/report.h"

namespace kablate::page {

// The step that a row is compared with; null where it is not selected.
const ReportRow* reference_of(const Report& report, const ReportRow& row);

// Of one arm: the seeds that are missing, and what they can find by the spread of the pairs that there are;
// "" of an arm that is not open, or of which nothing is finished.
std::string settling_text(const Report& report, const ReportRow& row);

// One command for all arms that are open, with the time that it takes; "" where none is.
std::string settle_all(const Report& report);

}  // namespace kablate::page
