// docs/statistics.md says what each column of the tables and of report.csv means.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>
#include <string>

#include "base/file.h"
#include "base/text.h"
#include "report/columns.h"
#include "report/render.h"

namespace kablate {
namespace {

std::string page() { return read_text(std::filesystem::path(KABLATE_SOURCE_DIR) / "docs/statistics.md"); }

TEST(DocumentedColumns, OfTheTables) {
  const auto text = page();
  std::set<std::string> headings;
  for (const auto& columns : {terminal_columns(), finding_columns(), test_columns(), worth_columns(),
                              terminal_cost_columns(), cost_columns()})
    for (const auto& column : columns) headings.insert(column.heading);
  EXPECT_GT(headings.size(), 30u);
  for (const auto& heading : headings)
    EXPECT_NE(text.find("`" + heading + "`"), std::string::npos)
        << "docs/statistics.md does not say what the column \"" << heading << "\" means";
}

TEST(DocumentedColumns, OfReportCsv) {
  Report report;
  ReportRow row;
  row.nonzero_parameters = 1;  // so that the columns which not every report has are there
  row.means.assign(measures().size(), MeanSd{1, 0, {}});
  report.rows = {row};
  const auto text = page(), csv = render_csv(report);
  const auto names = split(csv.substr(0, csv.find('\n')), ',');
  EXPECT_GT(names.size(), 60u);
  for (const std::string& name : names) {
    // Of an accuracy the page has the first and the last name.
    const bool within = name.find("accuracy_") != std::string::npos;
    const auto shown = within ? name.substr(0, name.find("accuracy_")) + "accuracy_mean" : name;
    EXPECT_NE(text.find("`" + std::string(trim(shown)) + "`"), std::string::npos)
        << "docs/statistics.md does not say what the column " << name << " means";
  }
}

}  // namespace
}  // namespace kablate
