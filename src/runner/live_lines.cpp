#include "runner/live_lines.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/text.h"

namespace kablate {
namespace {

constexpr const char *kGreen = "\033[32m", *kRed = "\033[31m", *kBold = "\033[1m", *kPlain = "\033[0m";
constexpr std::size_t kGap = 2, kLongestBar = 24, kShortestBar = 6, kShortLabel = 20, kShortestLabel = 8;

std::string in_colour(const std::string& text, const char* code, bool colour) {
  return colour && !text.empty() ? str(code, text, kPlain) : text;
}

std::string left_text(const std::optional<double>& seconds) {
  if (!seconds) return "?";
  const double whole = std::max(1.0, std::round(*seconds));
  return whole < 10 ? fixed(whole, 0) + " s" : human_duration(whole);
}

double fraction_of(const TrialFacts& trial) {
  return std::clamp(static_cast<double>(trial.iteration) / static_cast<double>(trial.iterations), 0.0, 1.0);
}

// A column of the lines; its widths are those of its texts until it is narrowed.
struct Column {
  std::vector<std::string> cells;  // the heading first
  bool right = true;
  std::size_t width = 0;

  void settle() {
    for (const auto& cell : cells) width = std::max(width, visible_width(cell));
  }
  void drop() { cells.clear(), width = 0; }
  bool dropped() const { return cells.empty(); }
};

struct Layout {
  Column label{{"trial"}, false}, bar{{""}, false}, iteration{{"iteration"}}, loss{{"loss"}},
      speed{{"tokens/s"}}, left{{"time left"}};

  std::vector<Column*> columns() { return {&label, &bar, &iteration, &loss, &speed, &left}; }
  std::size_t width() {
    std::size_t total = 0;
    for (const auto* column : columns())
      if (!column->dropped()) total += column->width + kGap;
    return total - kGap;
  }
  void narrow(std::size_t room);
};

// Takes `column` down towards `least`, no further than the lines need.
void take_from(Layout& layout, Column& column, std::size_t least, std::size_t room) {
  const auto total = layout.width();
  if (total > room && column.width > least)
    column.width = std::max(least, column.width - std::min(column.width, total - room));
}

void Layout::narrow(std::size_t room) {
  take_from(*this, bar, kShortestBar, room);
  take_from(*this, label, kShortLabel, room);
  for (auto* column : {&bar, &speed, &loss})
    if (width() > room) column->drop();
  take_from(*this, label, kShortestLabel, room);
  if (width() > room) iteration.drop();
}

Layout layout_of(const std::vector<TrialFacts>& trials, std::size_t room) {
  Layout layout;
  for (const auto& trial : trials) {
    layout.label.cells.push_back(trial.label);
    layout.bar.cells.emplace_back();
    layout.iteration.cells.push_back(str(trial.iteration, "/", trial.iterations));
    layout.loss.cells.push_back(trial.loss ? fixed(*trial.loss, 4) : "");
    layout.speed.cells.push_back(trial.tokens_per_s ? human_count(*trial.tokens_per_s) : "");
    layout.left.cells.push_back(left_text(trial.seconds_left));
  }
  for (auto* column : layout.columns()) column->settle();
  layout.bar.width = kLongestBar;
  layout.narrow(room);
  return layout;
}

std::string bar_text(double fraction, std::size_t width, bool colour) {
  const auto full = static_cast<std::size_t>(std::lround(fraction * static_cast<double>(width)));
  return in_colour(std::string(full, '#'), kGreen, colour) + std::string(width - full, '.');
}

std::string cell_text(const std::string& cell, std::size_t width, bool right) {
  const auto text = cut_to(cell, width);
  const std::string blanks(width - std::min(width, visible_width(text)), ' ');
  return right ? blanks + text : text + blanks;
}

// Line i of the layout, 0 its heading.
std::string line_of(Layout& layout, std::size_t i, double fraction, bool colour) {
  std::string line;
  for (auto* column : layout.columns()) {
    if (column->dropped()) continue;
    if (!line.empty()) line += std::string(kGap, ' ');
    line += column == &layout.bar && i > 0 ? bar_text(fraction, column->width, colour)
                                           : cell_text(column->cells[i], column->width, column->right);
  }
  return line;
}

std::string trials_text(const RunFacts& run) {
  return str(run.done, " of ", run.planned, run.planned == 1 ? " trial done" : " trials done");
}

std::string total_line(const RunFacts& run, std::size_t hidden, bool colour) {
  std::string text = in_colour(trials_text(run), kBold, colour);
  if (run.failed > 0) text += ", " + in_colour(str(run.failed, " failed"), kRed, colour);
  text += run.seconds_left ? str(", about ", left_text(run.seconds_left), " left in all")
                           : ", time left in all not known yet";
  if (hidden > 0) text += str(" (", hidden, " more at work than fit here)");
  return text;
}

}  // namespace

std::vector<std::string> live_lines(const RunFacts& run, TerminalSize size, bool colour) {
  const std::size_t room = std::max<std::size_t>(2, size.columns) - 1;
  const std::size_t rows = std::max<std::size_t>(2, size.rows) - 1;
  const bool heading = rows >= 4 && !run.trials.empty();
  const std::size_t shown = std::min(run.trials.size(), rows - 1 - heading);
  const std::vector<TrialFacts> trials(run.trials.begin(),
                                       run.trials.begin() + static_cast<std::ptrdiff_t>(shown));
  Layout layout = layout_of(trials, room);
  std::vector<std::string> lines;
  if (heading) lines.push_back(line_of(layout, 0, 0, colour));
  for (std::size_t i = 0; i < shown; ++i)
    lines.push_back(line_of(layout, i + 1, fraction_of(trials[i]), colour));
  lines.push_back(total_line(run, run.trials.size() - shown, colour));
  for (auto& line : lines) line = cut_to(line, room);
  return lines;
}

std::string plain_line(const TrialFacts& trial, const RunFacts& run) {
  std::string text = str(trial.label, ": iteration ", trial.iteration, " of ", trial.iterations);
  if (trial.loss) text += ", loss " + fixed(*trial.loss, 4);
  if (trial.tokens_per_s) text += str(", ", human_count(*trial.tokens_per_s), " tokens/s");
  if (trial.seconds_left) text += str(", about ", left_text(trial.seconds_left), " left");
  text += "; " + trials_text(run);
  if (run.failed > 0) text += str(", ", run.failed, " failed");
  if (run.seconds_left) text += str(", about ", left_text(run.seconds_left), " left in all");
  return text;
}

}  // namespace kablate
