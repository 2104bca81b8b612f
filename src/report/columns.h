// The columns of the tables for people: a heading, and what it shows of a row.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "report/report.h"
#include "report/table.h"

namespace kablate {

// What a cell shows: nothing where there is no value.
template <typename T, typename Format>
std::string shown(const std::optional<T>& value, Format&& format) {
  return value ? format(*value) : "";
}

struct Column {
  std::string heading;
  bool right;  // a number
  std::function<std::string(const ReportRow&)> text;
  int drop = 0;  // where a table is too wide the column with the highest goes first; 0 stays
};

// What was found: losses, differences, verdicts. The terminal's have `drop`s.
std::vector<Column> terminal_columns();
std::vector<Column> terminal_cost_columns();
std::vector<Column> finding_columns();  // of report.md
std::vector<Column> paper_columns();    // the few that a paper has room for
std::vector<Column>
test_columns();  // how sure it is: d, ρ, the p of each test, the difference to the arm before
std::vector<Column> worth_columns();  // what a difference is worth in training
std::vector<Column> cost_columns();   // time, memory, FLOPs

// A table of all rows with the columns in which some row has something; where it is wider than `width` (0:
// any) columns are dropped as long as some may be.
TextTable make_table(const Report& report, const std::vector<Column>& columns, std::size_t width = 0);

// Tables that are not a row a step; without rows where there is nothing to show.
TextTable control_table(const Report& report);  // arms against their matched controls
TextTable effect_table(const Report& report);   // main effects and interactions
TextTable mechanism_table(const Report& report);
TextTable heads_table(const Report& report);  // a row a step and kind of sequences
TextTable trial_table(const Report& report);
TextTable trial_summary_table(const Report& report);  // a row a step: which seeds did not end well, extremes
TextTable gate_table(const Report& report);  // a row a step, and the details of the gates that failed

// "GATE x CROSS": the symbols of a set of factors.
std::string effect_name(const Report& report, std::uint32_t factors);

std::string arm_text(const ReportRow& row);    // its name, marked if it is a rerun
bool equals_its_target(const ReportRow& row);  // of a rerun or dead twin: whether it is what it should be
bool has_target(const ReportRow& row);         // whether it is one

}  // namespace kablate
