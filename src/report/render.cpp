#include "report/render.h"

#include <algorithm>

#include "base/text.h"
#include "report/columns.h"

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

std::string with_digits(std::size_t count, const char* one, const char* many) {
  return str(count, " ", count == 1 ? one : many);
}

std::string effects_title(const Report& report) {
  return str("Main effects and interactions (",
             with_digits(report.effects.front().estimate.n, "seed", "seeds"), ")");
}

constexpr const char* kTestsTitle = "How sure each difference is";
constexpr const char* kControlsTitle = "Against matched controls";
constexpr const char* kHeadsTitle = "Induction heads";
constexpr const char* kHeadsMeaning =
    "Of the trials that `kablate heads` looked at (heads.json): in how many seeds some head gives what "
    "followed the same id before more than 0.4 of its attention, the strongest such head of each seed with "
    "its layer and head from 0, how much its OV map copies, the most attention that any head gives the id "
    "before, and the loss on the second copies minus that on the first. Means are over seeds. `change` is "
    "the strongest head's induction against the baseline's, by seed; verdicts are at Holm's level in the "
    "family of the arms.";
constexpr const char* kEffectsMeaning =
    "A main effect is the mean loss with the mechanism on minus the mean with it off, over all settings "
    "of the others; an interaction of two is half the difference between the one's effect with the other on "
    "and with it off. p Holm is adjusted for all effects.";

constexpr const char* kWithheld = "NO VERDICT OF THIS TABLE CAN BE BELIEVED: ";

std::string section(const std::string& title, const TextTable& table, const std::string& meaning) {
  if (table.rows.empty()) return "";
  return str("\n## ", title, "\n\n", meaning, meaning.empty() ? "" : "\n\n", markdown_table(table));
}

// Without a column beside step and arm there is nothing to show.
bool tells_something(const TextTable& table) { return table.headings.size() > 2; }

std::string row_section(const Report& report, const std::string& title, const std::vector<Column>& columns,
                        const std::string& meaning) {
  const auto table = make_table(report, columns);
  return tells_something(table) ? section(title, table, meaning) : "";
}

// What `change` is to.
std::string compared_with(const Report& report) {
  const bool stairs = std::any_of(report.rows.begin(), report.rows.end(),
                                  [](const auto& row) { return row.against.has_value(); });
  return str("step ", report.baseline, stairs ? ", or to the step named beside it" : "");
}

}  // namespace

std::string render_terminal(const Report& report, std::size_t width) {
  std::string text = str(report.name, ": ", report.folder, "\n\n");
  for (const auto& fault : report.faults) text += wrapped(kWithheld + fault, width);
  if (!report.faults.empty()) text += "\n";
  const auto add = [&](const std::string& title, const TextTable& table) {
    text += (title.empty() ? "\n" : str("\n", title, "\n\n")) + aligned(table, width);
  };
  text += aligned(make_table(report, terminal_columns(), width), width);
  std::string below;
  for (const auto& row : report.rows) below += below_the_table(row, width);
  if (!below.empty()) text += "\n" + below;
  if (const auto tests = make_table(report, test_columns(), width); tells_something(tests))
    add(kTestsTitle, tests);
  if (const auto costs = make_table(report, terminal_cost_columns(), width); tells_something(costs))
    add("", costs);
  if (const auto controls = control_table(report); !controls.rows.empty()) add(kControlsTitle, controls);
  if (const auto effects = effect_table(report); !effects.rows.empty()) add(effects_title(report), effects);
  if (const auto heads = heads_table(report); !heads.rows.empty()) add(kHeadsTitle, heads);
  text += str("\nchange: to ", compared_with(report), ", in ", measures().front().unit, "\n");
  for (const auto& note : report.notes) text += wrapped(note, width);
  return text;
}

std::string render_markdown(const Report& report) {
  std::string text = str("# ", report.name, "\n\n");
  for (const auto& fault : report.faults) text += str("**", kWithheld, fault, "**\n\n");
  text += str(markdown_table(make_table(report, finding_columns())), "\n`change` is the difference in ",
              measures().front().heading, " to ", compared_with(report), " in ", measures().front().unit,
              ", `%` the same in percent of that step's mean.\n\n");
  for (const auto& note : report.notes) text += "- " + note + "\n";
  text += section(
      kControlsTitle, control_table(report),
      "At equal parameters, or FLOPs: an arm minus the baseline made as large (`params`, `flops`) or as "
      "small (`narrower`, `shallower`); or the arm made as large as the baseline (`wider`) minus it. "
      "p is not adjusted.");
  if (!report.effects.empty()) text += section(effects_title(report), effect_table(report), kEffectsMeaning);
  text += row_section(
      report, kTestsTitle, test_columns(),
      str("To ", compared_with(report),
          ": the pairs, the sd of their differences, d = change / sd, the "
          "correlation ρ of the pairs' losses, p of the paired t test, adjusted by Holm, and of the "
          "sign-flip test; `in noise sd` is the change in units of the noise floor's sd of a "
          "difference. Then the difference to the arm before, of a path's stairs to the "
          "baseline."));
  text += row_section(report, "What a difference is worth", worth_columns(),
                      str("Iterations of ", compared_with(report),
                          " that the difference is worth; where the step's own mean "
                          "curve is down to its final loss; and the change where the dearer of both is "
                          "read at what the cheaper cost in all."));
  text += row_section(report, "What it cost", cost_columns(), "");
  text += section("How the mechanisms were used", mechanism_table(report),
                  "At the first evaluation and at the last; mean over seeds and blocks.");
  text += section(kHeadsTitle, heads_table(report), kHeadsMeaning);
  text += section("Gates before training", gate_table(report), "`kablate audit` prints what each found.");
  return text + section("Trials", trial_table(report),
                        "Each ran in a process of its own; `went on` counts how often it resumed.");
}

}  // namespace kablate
