// Tables of text, and numbers as they stand in them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "stats/paired.h"

namespace kablate {

// Columns under their headings. Widths count characters, not
// bytes; numbers stand right, first column and text left.
struct TextTable {
  std::vector<std::string> headings;
  std::vector<bool> right;  // a flag a column
  std::vector<std::vector<std::string>> rows;
};

// For a terminal. Where it is wider than `width` (0: any) the cells of its widest text columns are broken at
// blanks; where that does not do, the columns are set in several tables, the first column in each.
std::string aligned(const TextTable& table, std::size_t width = 0);
std::string markdown_table(const TextTable& table);

// Text that Markdown shows as it stands: names, cells. Of prose, which is ours but for the names within it,
// backquotes and other marks stay; no tag, entity or link comes of it.
std::string markdown_text(std::string_view text);
std::string markdown_prose(std::string_view text);
std::size_t display_width(std::string_view utf8);

// Breaks at blanks so that no line is wider than `width`; all but the first are indented. Ends a line.
std::string wrapped(const std::string& text, std::size_t width);

// A finding, which programs may read as one line: whole where `width` is 0 (no terminal), else wrapped, all
// its lines indented by `indent` blanks. Ends a line.
std::string finding_line(const std::string& text, std::size_t width, std::size_t indent = 0);

std::string signed_fixed(double value, int digits);           // +0.0123
std::string interval_text(const Interval& interval);          // [-0.0123, +0.0045]
std::string p_text(double p);                                 // 0.0123, or <0.0001
std::string csv_field(const std::string& text);               // in quotes where RFC 4180 asks for them
std::string csv_line(const std::vector<std::string>& texts);  // fields, and a line end

}  // namespace kablate
