// The answer in words: of each arm its verdict, its effect and its cost, and what would settle what is open.
#pragma once

#include <string>

#include "report/report.h"

namespace kablate::page {

std::string answer_markup(const Report& report);

// "2.43 × the parameters (773.4k), 1.10 × the time an iteration (12.1 ms), …, decode cache as before": of a
// step beside what it is compared with; costs that one of both lacks are left out.
std::string cost_text(const ReportRow& row, const ReportRow& reference);

// What would settle an arm that is open; "" of one that is not, or of which nothing is finished.
std::string settling_text(const Report& report, const ReportRow& row);

}  // namespace kablate::page
