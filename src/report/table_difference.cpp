#include "report/table_difference.h"

#include <map>
#include <utility>

#include "base/csv.h"
#include "base/text.h"

namespace kablate {
namespace {

// step -> column -> text, from a table whose first column is `step`.
using CellTexts = std::map<std::string, std::map<std::string, std::string>>;

CellTexts cell_texts(const std::vector<std::vector<std::string>>& records) {
  CellTexts cells;
  for (std::size_t row = 1; row < records.size(); ++row)
    for (std::size_t i = 0; i < records[row].size() && i < records[0].size(); ++i)
      cells[records[row][0]][records[0][i]] = records[row][i];
  return cells;
}

template <typename Map>
void add_missing(const Map& a, const Map& b, const std::string& what, std::vector<std::string>& found) {
  for (const auto& [name, value] : a)
    if (!b.contains(name)) found.push_back(str("only the recomputed table has ", what, " ", name));
  for (const auto& [name, value] : b)
    if (!a.contains(name)) found.push_back(str("only the stored table has ", what, " ", name));
}

std::map<std::string, bool> columns_of(const std::vector<std::vector<std::string>>& records) {
  std::map<std::string, bool> columns;
  if (!records.empty())
    for (const auto& name : records[0]) columns[name] = true;
  return columns;
}

}  // namespace

std::vector<std::vector<std::string>> csv_records(std::string_view text) {
  std::vector<std::vector<std::string>> records;
  for (auto& record : read_csv(text).records) records.push_back(std::move(record.fields));
  return records;
}

std::vector<std::string> table_differences(std::string_view stored, std::string_view recomputed) {
  std::vector<std::string> found;
  if (stored == recomputed) return found;
  const auto before = csv_records(stored), now = csv_records(recomputed);
  const CellTexts old_cells = cell_texts(before), new_cells = cell_texts(now);
  add_missing(columns_of(now), columns_of(before), "column", found);
  add_missing(new_cells, old_cells, "step", found);
  for (const auto& [step, row] : new_cells) {
    if (!old_cells.contains(step)) continue;
    const auto& old_row = old_cells.at(step);
    for (const auto& [column, text] : row)
      if (const auto old = old_row.find(column); old != old_row.end() && old->second != text)
        found.push_back(str("step ", step, ": ", column, " ", old->second.empty() ? "empty" : old->second,
                            " stored, ", text.empty() ? "empty" : text, " recomputed"));
  }
  if (found.empty()) found.push_back("the order of rows or columns, or how fields are written");
  return found;
}

}  // namespace kablate
