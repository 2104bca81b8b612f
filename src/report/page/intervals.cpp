// Differences with their intervals: the forest plot, and a factorial's effects.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "report/columns.h"
#include "report/page/figures.h"
#include "report/page/markup.h"
#include "report/sections.h"

namespace kablate::page {
namespace {

struct IntervalRow {
  std::string label, verdict;  // above the line, at its left and its right end
  Difference difference;
  Ink ink = Ink::kOpen;
  bool beside = false;  // belongs to the line above it
};

constexpr double kWidth = 560, kLeft = 16, kRight = 16, kTop = 26, kBottom = 44;
constexpr double kRowHeight = 40, kVerdictHeight = 16;
constexpr std::size_t kLongestLabel = 74;  // characters; the tip has the whole of it

// Whether some label and its verdict don't fit beside each other: about 6.5 units a character.
bool need_two_lines(const std::vector<IntervalRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [](const auto& row) {
    return display_width(row.label) + display_width(row.verdict) > 78;
  });
}

std::string tip_of(const IntervalRow& row) {
  const auto& d = row.difference;
  return str(row.label, ": ", signed_fixed(d.mean, 4), d.interval ? " " + interval_text(*d.interval) : "");
}

Scale scale_of_rows(const std::vector<IntervalRow>& rows) {
  std::vector<double> ends{0};
  for (const auto& row : rows) {
    ends.push_back(row.difference.mean);
    if (row.difference.interval)
      ends.insert(ends.end(), {row.difference.interval->low, row.difference.interval->high});
  }
  return scale_of(ends, kLeft, kWidth - kRight);
}

void draw_row(Drawing& drawing, const IntervalRow& row, const Scale& x, double y, bool two_lines) {
  const auto& d = row.difference;
  const double indent = row.beside ? 14 : 0;
  drawing.text({kLeft + indent, y}, shortened(row.label, kLongestLabel),
               row.beside ? Ink::kQuiet : Ink::kText, Drawing::Anchor::kStart, row.beside ? 12 : 13);
  if (two_lines) y += kVerdictHeight;
  drawing.text({kWidth - kRight, y}, row.verdict, row.ink, Drawing::Anchor::kEnd);
  const double middle = y + 14;
  for (const auto& tick : x.ticks(5))
    drawing.line({x(tick.value), middle - 9}, {x(tick.value), middle + 11}, Ink::kAxis);
  drawing.line({x(0), middle - 9}, {x(0), middle + 11}, Ink::kZero);
  if (d.interval) {
    drawing.line({x(d.interval->low), middle}, {x(d.interval->high), middle}, row.ink, false, 2);
    for (const double end : {d.interval->low, d.interval->high})
      drawing.line({x(end), middle - 5}, {x(end), middle + 5}, row.ink, false, 2);
  }
  drawing.dot({x(d.mean), middle}, row.beside ? 4 : 5, row.ink, d.interval.has_value(), tip_of(row));
}

IntervalRow row_of_arm(const ReportRow& row) {
  const std::string status = row.status == "done" ? "" : " (" + row.status.substr(0, 30) + ")";
  return {str(row.step, "  ", row.name, status),
          str(signed_fixed(row.delta->mean, 4), row.verdict ? ", " + row.verdict->text : ""), *row.delta,
          ink_of(row.verdict), false};
}

std::vector<IntervalRow> rows_of(const Report& report) {
  std::vector<IntervalRow> rows;
  for (const auto& row : report.rows) {
    if (row.role != "arm" || !row.delta) continue;
    rows.push_back(row_of_arm(row));
    for (const auto& control : report.rows) {
      if (!control.versus_control || control.control_of != row.step) continue;
      const auto *own = report.find_row(control.matched->arm),
                 *other = report.find_row(control.matched->control);
      if (own == nullptr || other == nullptr) continue;
      rows.push_back({str(own->step, " ", own->name, " minus ", other->step, " ", other->name),
                      signed_fixed(control.versus_control->mean, 4), *control.versus_control, Ink::kControl,
                      true});
    }
  }
  return rows;
}

// By mechanism, the changes of the seeds that were looked at.
std::map<std::string, std::vector<const KnockoutRow*>> switched_off(const Report& report, std::int64_t step) {
  std::map<std::string, std::vector<const KnockoutRow*>> rows;
  for (const auto& trial : report.trials)
    if (trial.planned.step == step && trial.knockout)
      for (const auto& row : trial.knockout->rows)
        if (row.scale == 0) rows[row.mechanism].push_back(&row);
  return rows;
}

// Over seeds; of a single one over its windows.
Difference mean_change(const std::vector<const KnockoutRow*>& seeds) {
  std::vector<double> changes;
  for (const auto* seed : seeds) changes.push_back(seed->change);
  auto change = paired_difference(changes);
  if (seeds.size() == 1 && seeds[0]->low && seeds[0]->high)
    change.interval = {*seeds[0]->low, *seeds[0]->high};
  return change;
}

// REQUIRES: a row. `better`: which end of the axis is the good one.
Drawing interval_plot(const std::vector<IntervalRow>& rows, const std::string& title, const std::string& unit,
                      Better better) {
  const bool two_lines = need_two_lines(rows);
  const double height = kRowHeight + (two_lines ? kVerdictHeight : 0);
  const double bottom = kTop + height * static_cast<double>(rows.size());
  std::vector<std::string> spoken;
  for (const auto& row : rows)
    spoken.push_back(tip_of(row) + (row.verdict.empty() ? "" : ", " + row.verdict));
  Drawing drawing(kWidth, bottom + kBottom, title, join(spoken, "; "));
  const auto x = scale_of_rows(rows);
  for (const auto& tick : x.ticks(5)) {
    drawing.text({x(tick.value), bottom + 16}, tick.text, Ink::kQuiet, Drawing::Anchor::kMiddle);
  }
  const bool less = better == Better::kLess;
  drawing.text({kLeft, 12}, less ? "\u2190 better" : "\u2190 worse", Ink::kQuiet);
  drawing.text({kWidth - kRight, 12}, less ? "worse \u2192" : "better \u2192", Ink::kQuiet,
               Drawing::Anchor::kEnd);
  drawing.text({kWidth / 2, bottom + 36}, unit, Ink::kQuiet, Drawing::Anchor::kMiddle);
  double y = kTop + 12;
  for (const auto& row : rows) {
    draw_row(drawing, row, x, y, two_lines);
    y += height;
  }
  return drawing;
}

}  // namespace

Ink ink_of(const std::optional<Verdict>& verdict) {
  if (!verdict) return Ink::kOpen;
  switch (verdict->kind) {
    case VerdictKind::kBetter:
      return Ink::kBetter;
    case VerdictKind::kWorse:
      return Ink::kWorse;
    case VerdictKind::kNoDifference:
      return Ink::kSame;
    case VerdictKind::kNotEnoughSeeds:
    case VerdictKind::kWithheld:
      break;
  }
  return Ink::kOpen;
}

std::string forest_figure(const Report& report) {
  const auto rows = rows_of(report);
  if (rows.empty()) return "";
  const std::string title = str("Change in ", report.judged, " to ", compared_with(report));
  const std::string caption =
      str(title, " with 95 % intervals, ", report.unit,
          ". Below an arm: what it is beside its matched control. An open circle: a single pair, "
          "without an interval.");
  return figure(interval_plot(rows, title, report.unit, report.better), "forest", caption, "");
}

std::string effects_figure(const Report& report) {
  if (report.effects.empty()) return "";
  std::vector<IntervalRow> rows;
  for (const auto& effect : report.effects) {
    const bool sure = effect.holm.rejected && report.faults.empty() &&
                      effect.estimate.n >= pairs_to_claim(report.effects.size());
    const bool good = (effect.estimate.mean < 0) == (report.better == Better::kLess);
    rows.push_back({effect_name(report, effect.factors),
                    str(signed_fixed(effect.estimate.mean, 4), ", p Holm ", p_text(effect.holm.adjusted_p)),
                    effect.estimate,
                    !sure  ? Ink::kOpen
                    : good ? Ink::kBetter
                           : Ink::kWorse,
                    false});
  }
  return figure(interval_plot(rows, effects_title(report), report.unit, report.better), "effects",
                effects_title(report) +
                    " with 95 % intervals; coloured where p Holm is at most 0.05, of seeds enough to claim.",
                "");
}

std::string knockout_figure(const Report& report) {
  std::vector<IntervalRow> rows;
  for (const auto& row : report.rows) {
    if (row.rerun_of) continue;
    for (const auto& [mechanism, seeds] : switched_off(report, row.step)) {
      const auto change = mean_change(seeds);
      const bool uses = change.interval && change.interval->low > 0;
      rows.push_back(
          {str(row.step, "  ", row.name, " without ", mechanism),
           str(signed_fixed(change.mean, 4), ", ", seeds.size(), seeds.size() == 1 ? " seed" : " seeds"),
           change, uses ? Ink::kSame : Ink::kOpen, false});
    }
  }
  if (rows.empty()) return "";
  TextTable table{{"step and mechanism", "change", "95 % interval"}, {false, true, false}, {}};
  for (const auto& row : rows)
    table.rows.push_back({row.label, signed_fixed(row.difference.mean, 4),
                          row.difference.interval ? interval_text(*row.difference.interval) : ""});
  return figure(
      interval_plot(rows, "What trained models lose without a mechanism", report.unit, report.better),
      "knockouts",
      str("What the validation loss of trained models changes by where a mechanism is switched off (`kablate "
          "knockout`), ",
          report.unit,
          ": mean over seeds with its 95 % interval; of a single seed over its "
          "windows, adjusted for all that was switched off. Coloured where the interval lies above 0: the "
          "model uses the mechanism."),
      folded("The numbers", table_markup(table, "What trained models lose without a mechanism")));
}

}  // namespace kablate::page
