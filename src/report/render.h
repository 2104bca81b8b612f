// A report as text: for the terminal, as Markdown and as CSV.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "report/report.h"

namespace kablate {

// Aligned columns, 120 wide or less for a ladder of three seeds, with the notes below. Columns in which no
// row has anything are left out.
std::string render_terminal(const Report& report);

// The table, the notes, and a row a trial: which process trained it, for how long, and where its files are.
std::string render_markdown(const Report& report);

// One row a step under the header of spec, section 9, then more columns. RFC 4180 quoting, lines end in \n;
// numbers in full precision, empty where there is none.
std::string render_csv(const Report& report);

// Writes report.md and report.csv into the experiment's folder. Throws WorkError.
void write_report(const ExperimentFolder& folder, const Report& report);

// Columns under their headings. Widths count characters, not bytes; numbers stand right, first column and
// text left.
struct TextTable {
  std::vector<std::string> headings;
  std::vector<bool> right;  // a flag a column
  std::vector<std::vector<std::string>> rows;
};
std::string aligned(const TextTable& table);
std::size_t display_width(std::string_view utf8);

std::string csv_field(const std::string& text);  // in quotes where RFC 4180 asks for them

}  // namespace kablate
