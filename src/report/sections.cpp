#include "report/sections.h"

#include <algorithm>

#include "base/text.h"
#include "report/columns.h"

namespace kablate {
namespace {

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
constexpr const char* kControlsMeaning =
    "At equal parameters, or FLOPs: an arm minus the baseline made as large (`params`, `flops`) or as "
    "small (`narrower`, `shallower`); or the arm made as large as the baseline (`wider`) minus it. "
    "p is not adjusted.";

std::string tests_meaning(const Report& report) {
  return str("To ", compared_with(report),
             ": the pairs, the sd of their differences, d = change / sd, the "
             "correlation ρ of the pairs' losses, p of the paired t test, adjusted by Holm, and of the "
             "sign-flip test; `in noise sd` is the change in units of the noise floor's sd of a "
             "difference. Then the difference to the arm before, of a path's stairs to the "
             "baseline.");
}

std::string worth_meaning(const Report& report) {
  return str("Iterations of ", compared_with(report),
             " that the difference is worth; where the step's own mean "
             "curve is down to its final loss; and the change where the dearer of both is "
             "read at what the cheaper cost in all.");
}

}  // namespace

bool tells_something(const TextTable& table) { return table.headings.size() > 2; }

std::string effects_title(const Report& report) {
  const auto seeds = report.effects.front().estimate.n;
  return str("Main effects and interactions (", seeds, seeds == 1 ? " seed)" : " seeds)");
}

std::string compared_with(const Report& report) {
  const bool stairs = std::any_of(report.rows.begin(), report.rows.end(),
                                  [](const auto& row) { return row.against.has_value(); });
  return str("step ", report.baseline, stairs ? ", or to the step named beside it" : "");
}

std::vector<Section> report_sections(const Report& report) {
  std::vector<Section> sections;
  const auto add = [&](const char* id, const std::string& title, const TextTable& table,
                       const std::string& meaning) {
    if (!table.rows.empty()) sections.push_back({id, title, meaning, table});
  };
  const auto add_rows = [&](const char* id, const char* title, const std::vector<Column>& columns,
                            const std::string& meaning) {
    if (const auto table = make_table(report, columns); tells_something(table))
      add(id, title, table, meaning);
  };
  add("controls", kControlsTitle, control_table(report), kControlsMeaning);
  if (!report.effects.empty()) add("effects", effects_title(report), effect_table(report), kEffectsMeaning);
  add_rows("tests", kTestsTitle, test_columns(), tests_meaning(report));
  add_rows("worth", "What a difference is worth", worth_columns(), worth_meaning(report));
  add_rows("costs", "What it cost", cost_columns(), "");
  add("uses", "How the mechanisms were used", mechanism_table(report),
      "At the first evaluation and at the last; mean over seeds and blocks.");
  add("heads", kHeadsTitle, heads_table(report), kHeadsMeaning);
  add("gates", "Gates before training", gate_table(report), "`kablate audit` prints what each found.");
  add("trials", "Trials", trial_table(report),
      report.caution.empty() ? "Each ran in a process of its own; `went on` counts how often it resumed."
                             : "");
  return sections;
}

}  // namespace kablate
