// A report as text: for the terminal, as Markdown and as CSV.
#pragma once

#include <string>

#include "base/terminal.h"
#include "report/report.h"
#include "report/table.h"

namespace kablate {

// What was found, how sure it is and what it cost, arms against matched controls, a factorial's effects, and
// the notes; what makes the table unbelievable stands above it. No line is wider than `width`: columns are
// left out before a cell is broken. Columns in which no row has anything are left out too.
std::string render_terminal(const Report& report, std::size_t width = kPlainWidth);

// The first of these tables with what stands above it and the lines on its steps below it.
std::string render_findings(const Report& report, std::size_t width = kPlainWidth);

// The same in full, how sure each difference is, what it is worth, how the mechanisms were used, and a row a
// trial: which process trained it, for how long, and where its files are.
std::string render_markdown(const Report& report);

// One row a step under the header of spec, section 9, then more columns (FORMAT.md). RFC 4180 quoting, lines
// end in \n; numbers in full precision, empty where there is none.
std::string render_csv(const Report& report);
std::string render_effects_csv(const Report& report);  // a row an effect of the factorial

// Writes report.md, report.html, report.csv and, of a factorial, report-effects.csv into the experiment's
// folder. Throws WorkError.
void write_report(const ExperimentFolder& folder, const Report& report);

}  // namespace kablate
