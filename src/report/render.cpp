#include "report/render.h"

#include "base/text.h"
#include "report/columns.h"
#include "report/sections.h"

namespace kablate {
namespace {

// What the table has no room for, a line a step.
std::string below_the_table(const ReportRow& row, std::size_t width) {
  const std::string step = str("step ", row.step, " (", row.name, "): ");
  std::string text;
  if (row.status != "done") text += wrapped(step + row.status, width);
  if (has_target(row) && !equals_its_target(row))
    text += wrapped(str(step, row.rerun_of ? str("equal to step ", *row.rerun_of) : "equal to the baseline",
                        "? ", row.identical_to),
                    width);
  return text;
}

}  // namespace

std::string render_findings(const Report& report, std::size_t width) {
  std::string text;
  for (const auto& fault : report.faults) text += wrapped(kWithheld + fault, width);
  if (!report.caution.empty()) text += wrapped(report.caution, width);
  if (!text.empty()) text += "\n";
  text += aligned(make_table(report, terminal_columns(), width), width);
  std::string below;
  for (const auto& row : report.rows) below += below_the_table(row, width);
  return below.empty() ? text : text + "\n" + below;
}

std::string render_terminal(const Report& report, std::size_t width) {
  std::string text = str(report.name, ": ", report.folder, "\n\n", render_findings(report, width));
  const auto add = [&](const std::string& title, const TextTable& table) {
    text += (title.empty() ? "\n" : str("\n", title, "\n\n")) + aligned(table, width);
  };
  if (const auto tests = make_table(report, test_columns(), width); tells_something(tests))
    add(kTestsTitle, tests);
  if (const auto costs = make_table(report, terminal_cost_columns(), width); tells_something(costs))
    add("", costs);
  if (const auto controls = control_table(report); !controls.rows.empty()) add(kControlsTitle, controls);
  if (const auto effects = effect_table(report); !effects.rows.empty()) add(effects_title(report), effects);
  if (const auto heads = heads_table(report); !heads.rows.empty()) add(kHeadsTitle, heads);
  text += str("\nchange: to ", compared_with(report), ", in ", report.unit, "\n");
  for (const auto& note : report.notes) text += wrapped(note, width);
  return text;
}

std::string render_markdown(const Report& report) {
  std::string text = str("# ", markdown_text(report.name), "\n\n");
  for (const auto& fault : report.faults) text += str("**", kWithheld, markdown_prose(fault), "**\n\n");
  if (!report.caution.empty()) text += str("**", markdown_prose(report.caution), "**\n\n");
  text += str(markdown_table(make_table(report, finding_columns())), "\n`change` is the difference in ",
              report.judged, " to ", compared_with(report), " in ", markdown_text(report.unit),
              ", `%` the same in percent of that step's mean.\n\n");
  for (const auto& note : report.notes) text += "- " + markdown_prose(note) + "\n";
  for (const auto& section : report_sections(report))
    text += str("\n## ", section.title, "\n\n", section.meaning, section.meaning.empty() ? "" : "\n\n",
                markdown_table(section.table));
  return text;
}

}  // namespace kablate
