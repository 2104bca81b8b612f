// What a gain costs: the loss of each step against each cost in which steps differ.
#include <algorithm>
#include <functional>

#include "base/text.h"
#include "report/page/figures.h"
#include "report/page/markup.h"
#include "report/table.h"

namespace kablate::page {
namespace {

struct Cost {
  const char *id, *name;
  std::function<std::optional<double>(const ReportRow&)> of;
  std::function<std::string(double)> text;
  bool bytes = false;  // round where their KiB, MiB … are
};

std::optional<double> real(const std::optional<std::int64_t>& value) {
  return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

const std::vector<Cost>& costs() {
  static const std::vector<Cost> table{
      {"parameters", "parameters", [](const auto& r) { return real(r.parameters); }, human_count},
      {"active", "parameters that a token goes through",
       [](const auto& r) { return real(r.active_parameters ? r.active_parameters : r.parameters); },
       human_count},
      {"time", "milliseconds an iteration", [](const auto& r) { return r.ms_per_iter; },
       [](double v) { return fixed(v, 1); }},
      {"memory", "peak of the tensors' memory", [](const auto& r) { return real(r.peak_tensor_bytes); },
       human_bytes, true},
      {"cache", "decode cache a token", [](const auto& r) { return real(r.decode_cache_bytes_per_token); },
       human_bytes, true},
      {"flops", "FLOPs an iteration", [](const auto& r) { return r.flops_per_iteration; }, human_count}};
  return table;
}

struct Mark {
  const ReportRow* row;
  double cost, loss;
};

// The steps that stand for themselves: neither reruns nor dead twins, which lie on another's place.
std::vector<Mark> marks_of(const Report& report, const Cost& cost) {
  std::vector<Mark> marks;
  for (const auto& row : report.rows) {
    const auto value = cost.of(row);
    if (row.rerun_of || row.control == "dead_twin" || !value || !row.mean(0)) continue;
    marks.push_back({&row, *value, row.mean(0)->mean});
  }
  return marks;
}

bool has_experts(const Report& report) {
  return std::any_of(report.rows.begin(), report.rows.end(), [](const auto& row) {
    return row.active_parameters && row.active_parameters != row.parameters;
  });
}

// Steps whose times are not what they would be beside the others'.
bool has_doubtful_times(const Report& report) {
  return std::any_of(report.rows.begin(), report.rows.end(), [](const auto& row) {
    return row.ms_per_iter &&
           (!row.time_load.empty() || (row.delta && !row.times_comparable && !row.rerun_of));
  });
}

bool differ(const std::vector<Mark>& marks) {
  return std::any_of(marks.begin(), marks.end(),
                     [&](const Mark& mark) { return mark.cost != marks.front().cost; });
}

// Whether no other step is as cheap and better, or as good and cheaper.
bool undominated(const Mark& mark, const std::vector<Mark>& marks, Better better) {
  return std::none_of(marks.begin(), marks.end(), [&](const Mark& other) {
    const double gain = better == Better::kLess ? mark.loss - other.loss : other.loss - mark.loss;
    return other.cost <= mark.cost && gain >= 0 && (other.cost < mark.cost || gain > 0);
  });
}

constexpr double kCostWidth = 360, kCostHeight = 260, kCostLeft = 52, kCostRight = 24, kCostTop = 28,
                 kCostBottom = 42;

// The number of a step beside its dot.
struct Label {
  bool first = false;  // of the baseline or an undominated step: before the others
  Point place;
  std::string text;
};

// Moved down a little where one would lie on another; left out where that doesn't help.
void draw_labels(Drawing& drawing, std::vector<Label> labels) {
  constexpr double kStep = 2, kMost = 24;
  std::ranges::sort(labels, {}, [](const Label& label) { return std::pair(!label.first, label.place.y); });
  std::vector<Point> taken;
  const auto is_free = [&](const Point& place) {
    return place.y < kCostHeight - kCostBottom + 4 && std::ranges::none_of(taken, [&](const Point& other) {
             return std::abs(other.x - place.x) < 18 && std::abs(other.y - place.y) < 11;
           });
  };
  for (const auto& label : labels)
    for (double down = 0; down <= kMost; down += kStep)
      if (const Point place{label.place.x, label.place.y + down}; is_free(place)) {
        taken.push_back(place);
        drawing.text(place, label.text, Ink::kText, Drawing::Anchor::kStart, 11);
        break;
      }
}

// Round in the unit that the values are told in, with as many digits as tell them apart.
std::vector<Scale::Tick> ticks_of(const std::vector<double>& values, const Scale& scale, const Cost& cost) {
  static const std::vector<std::string> kCounts{"", "k", "M", "G", "T", "P"};
  static const std::vector<std::string> kBytes{" B", " KiB", " MiB", " GiB", " TiB"};
  const auto& names = cost.bytes ? kBytes : kCounts;
  const double base = cost.bytes ? 1024 : 1000;
  double unit = 1;
  std::size_t power = 0;
  while (power + 1 < names.size() && unit * base <= std::ranges::max(values)) unit *= base, ++power;
  auto ticks = Scale(scale.low() / unit, scale.high() / unit, 0, 1).ticks(4);
  for (auto& tick : ticks) tick.value *= unit, tick.text += names[power];
  return ticks;
}

Drawing draw(const Report& report, const std::vector<Mark>& marks, const Cost& cost) {
  std::vector<double> xs, ys;
  std::vector<std::string> spoken;
  for (const auto& mark : marks) {
    const double sd = mark.row->mean(0)->sd.value_or(0);
    xs.push_back(mark.cost);
    ys.insert(ys.end(), {mark.loss - sd, mark.loss + sd});
    spoken.push_back(
        str(mark.row->step, " ", mark.row->name, ": ", cost.text(mark.cost), ", ", fixed(mark.loss, 4)));
  }
  Drawing drawing(kCostWidth, kCostHeight, str(report.judged, " against ", cost.name), join(spoken, "; "));
  const auto x = scale_of(xs, kCostLeft, kCostWidth - kCostRight, 0.08),
             y = scale_of(ys, kCostHeight - kCostBottom, kCostTop);
  for (const auto& tick : y.ticks(4)) {
    drawing.line({kCostLeft, y(tick.value)}, {kCostWidth - kCostRight, y(tick.value)}, Ink::kAxis);
    drawing.text({kCostLeft - 6, y(tick.value) + 4}, tick.text, Ink::kQuiet, Drawing::Anchor::kEnd, 11);
  }
  for (const auto& tick : ticks_of(xs, x, cost)) {
    drawing.line({x(tick.value), kCostHeight - kCostBottom}, {x(tick.value), kCostHeight - kCostBottom + 4},
                 Ink::kZero);
    drawing.text({x(tick.value), kCostHeight - kCostBottom + 16}, tick.text, Ink::kQuiet,
                 Drawing::Anchor::kMiddle, 11);
  }
  drawing.text({4, 12}, report.judged, Ink::kQuiet, Drawing::Anchor::kStart, 11);
  drawing.text({(kCostLeft + kCostWidth - kCostRight) / 2, kCostHeight - 8}, cost.name, Ink::kQuiet,
               Drawing::Anchor::kMiddle);
  std::vector<Label> labels;
  for (std::size_t i = 0; i < marks.size(); ++i) {
    const auto& mark = marks[i];
    const Point place{x(mark.cost), y(mark.loss)};
    const auto ink = mark.row->role == "baseline" ? Ink::kText
                     : mark.row->control.empty()  ? ink_of(mark.row->verdict)
                                                  : Ink::kControl;
    if (const auto sd = mark.row->mean(0)->sd)
      drawing.line({place.x, y(mark.loss - *sd)}, {place.x, y(mark.loss + *sd)}, ink);
    const bool best = undominated(mark, marks, report.better);
    drawing.dot(place, 4.5, ink, best, spoken[i]);
    labels.push_back(
        {best || mark.row->role == "baseline", {place.x + 8, place.y + 4}, std::to_string(mark.row->step)});
  }
  draw_labels(drawing, labels);
  return drawing;
}

TextTable table_of(const Report& report, const std::vector<const Cost*>& shown) {
  TextTable table{{"step", "arm", report.judged, "sd"}, {true, false, true, true}, {}};
  for (const auto* cost : shown) table.headings.emplace_back(cost->name), table.right.push_back(true);
  for (const auto& row : report.rows) {
    if (row.rerun_of || row.control == "dead_twin" || !row.mean(0)) continue;
    const auto& loss = *row.mean(0);
    std::vector<std::string> cells{std::to_string(row.step), row.name, fixed(loss.mean, 4),
                                   loss.sd ? fixed(*loss.sd, 4) : ""};
    for (const auto* cost : shown) {
      const auto value = cost->of(row);
      cells.push_back(value ? cost->text(*value) : "");
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace

std::string cost_figures(const Report& report) {
  std::string figures;
  std::vector<const Cost*> shown;
  std::vector<std::string> same;
  for (const auto& cost : costs()) {
    const auto marks = marks_of(report, cost);
    if (marks.size() < 2 || (cost.id == std::string("active") && !has_experts(report))) continue;
    if (!differ(marks)) {
      same.emplace_back(str(cost.name, " (", cost.text(marks.front().cost), ")"));
      continue;
    }
    shown.push_back(&cost);
    figures += figure(draw(report, marks, cost), str("cost-", cost.id), str("Against ", cost.name, "."), "");
  }
  if (shown.empty()) return "";
  return str(
      "<div class=panels>", figures, "</div><p>",
      "Numbers are steps (where dots lie close, of some alone; each says its own when pointed at); ",
      "bars are the standard deviation over seeds. ",
      "A filled dot: by the means, no other step is as cheap and better, or as good and cheaper.",
      has_doubtful_times(report) ? " Some times were taken under other load or on another machine." : "",
      same.empty() ? "" : " The same for all steps: " + escaped(join(same, ", ")) + ".", "</p>",
      folded("The numbers", table_markup(table_of(report, shown), "Loss and costs of each step")));
}

}  // namespace kablate::page
