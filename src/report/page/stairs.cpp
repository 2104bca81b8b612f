// A path of changes: the loss from stair to stair, with what each change did.
#include <algorithm>
#include <map>

#include "base/text.h"
#include "report/page/figures.h"
#include "report/page/markup.h"
#include "report/table.h"

namespace kablate::page {
namespace {

constexpr double kStairWidth = 560, kStairLeft = 52, kStairRight = 16, kStairTop = 20, kPlot = 220,
                 kLabel = 18;
constexpr double kLeastWidth = 44;  // of a stair that a number has room on

// The baseline, then each stair behind the one that it is compared with. A table whose steps branch off has
// no single stair: the longest way is drawn.
std::vector<const ReportRow*> stairs_of(const Report& report) {
  std::vector<const ReportRow*> best;
  for (const auto& last : report.rows) {
    std::vector<const ReportRow*> way;
    for (const auto* row = &last; row != nullptr && row->mean(0) && way.size() <= report.rows.size();
         row = row->against ? report.find_row(*row->against) : nullptr)
      way.insert(way.begin(), row);
    if (!way.empty() && way.front()->role == "baseline" && way.size() > best.size()) best = way;
  }
  return best.size() > 1 ? best : std::vector<const ReportRow*>{};
}

void draw_stair(Drawing& drawing, const ReportRow& row, const ReportRow* before, double from, double width,
                const Scale& y) {
  const auto& loss = *row.mean(0);
  const double height = y(loss.mean);
  const auto ink = before == nullptr ? Ink::kText : ink_of(row.verdict);
  if (loss.sd)
    drawing.band({from, y(loss.mean + *loss.sd)}, width, y(loss.mean - *loss.sd) - y(loss.mean + *loss.sd),
                 ink);
  if (before != nullptr) drawing.line({from, y(before->mean(0)->mean)}, {from, height}, ink, true);
  drawing.line({from, height}, {from + width, height}, ink, false, 3);
  drawing.text({from + width / 2, kStairTop + kPlot + 16}, std::to_string(row.step), Ink::kText,
               Drawing::Anchor::kMiddle);
  if (row.delta && before != nullptr && width >= kLeastWidth)
    drawing.text({from + width / 2, std::max(height - 7, 12.0)}, signed_fixed(row.delta->mean, 4), ink,
                 Drawing::Anchor::kMiddle, width < 48 ? 9 : 11);
}

}  // namespace

std::string stairs_figure(const Report& report) {
  const auto stairs = stairs_of(report);
  if (stairs.empty()) return "";
  std::vector<double> ends;
  std::vector<std::string> spoken;
  for (const auto* row : stairs) {
    const auto& loss = *row->mean(0);
    ends.insert(ends.end(), {loss.mean - loss.sd.value_or(0), loss.mean + loss.sd.value_or(0)});
    spoken.push_back(str(row->step, " ", row->name, ": ", fixed(loss.mean, 4),
                         row->delta ? ", " + signed_fixed(row->delta->mean, 4) : ""));
  }
  const double labels = kLabel * static_cast<double>(stairs.size());
  Drawing drawing(kStairWidth, kStairTop + kPlot + 34 + labels, str(report.judged, " from stair to stair"),
                  join(spoken, "; "));
  const auto y = scale_of(ends, kStairTop + kPlot, kStairTop, 0.12);
  for (const auto& tick : y.ticks(5)) {
    drawing.line({kStairLeft, y(tick.value)}, {kStairWidth - kStairRight, y(tick.value)}, Ink::kAxis);
    drawing.text({kStairLeft - 6, y(tick.value) + 4}, tick.text, Ink::kQuiet, Drawing::Anchor::kEnd, 11);
  }
  const double width = (kStairWidth - kStairLeft - kStairRight) / static_cast<double>(stairs.size());
  double from = kStairLeft, label = kStairTop + kPlot + 40;
  const ReportRow* before = nullptr;
  for (const auto* row : stairs) {
    draw_stair(drawing, *row, before, from, width, y);
    drawing.text({kStairLeft, label}, shortened(str(row->step, "  ", row->name), row->verdict ? 40 : 70),
                 Ink::kText);
    if (row->verdict)
      drawing.text({kStairWidth - kStairRight, label}, row->verdict->text, ink_of(row->verdict),
                   Drawing::Anchor::kEnd);
    from += width, label += kLabel, before = row;
  }
  return figure(
      drawing, "stairs",
      str(report.judged, " of each stair with its standard deviation over seeds; the number is ",
          "the change to the stair before. A stair that branches off, or is behind an unfinished one, is "
          "not drawn."),
      "");
}

}  // namespace kablate::page
