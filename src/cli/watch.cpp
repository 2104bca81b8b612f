#include "cli/watch.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/stop_signal.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/show_report.h"
#include "record/reader.h"
#include "record/writer.h"
#include "report/render.h"

namespace kablate {
namespace {

// By trial folder.
using States = std::map<std::string, TrialState>;

States states_of(const ExperimentFolder& folder) {
  const auto plan = read_plan(folder);
  const auto found = trial_states(folder, plan);
  States states;
  for (std::size_t i = 0; i < found.size(); ++i) states[plan.trials[i].folder] = found[i];
  return states;
}

// A table is made of these alone: it is the same however many trials have started meanwhile.
States ended_of(const States& states) {
  States ended;
  for (const auto& [name, state] : states)
    if (!is_to_come(state)) ended[name] = state;
  return ended;
}

// "12 of 18 trials done, 2 running, 4 missing"
std::string counts_text(const States& states) {
  std::map<TrialState, int> counts;
  for (const auto& [name, state] : states) ++counts[state];
  std::string text = str(counts[TrialState::kDone], " of ", states.size(), " trials done");
  for (const auto& [state, count] : counts)
    if (state != TrialState::kDone && count > 0) text += str(", ", count, " ", state_name(state));
  return text;
}

// The first lines of a text that fit the terminal, each in a row of its own: below them is what the table's
// columns mean.
std::string first_rows(const std::string& text, std::size_t rows, std::size_t columns) {
  std::string shown;
  std::size_t begin = 0;
  for (std::size_t row = 0; row < rows && begin < text.size(); ++row) {
    const auto end = std::min(text.find('\n', begin), text.size());
    shown += cut_to(std::string_view(text).substr(begin, end - begin), columns) + "\n";
    begin = end + 1;
  }
  return shown;
}

void print_over(const std::string& status, const std::string& table) {
  const std::size_t rows = output_rows(), columns = output_width() - 1;
  std::printf("\033[H\033[2J%s\n\n%s", cut_to(status, columns).c_str(),
              first_rows(table, rows - std::min(rows, std::size_t{3}), columns).c_str());
  std::fflush(stdout);
}

}  // namespace

int watch_report(const ExperimentFolder& folder, double seconds) {
  catch_stop_signals();
  const bool over = output_is_rewritable();
  std::optional<States> reported;  // what the table is of
  std::string table, counts;
  while (true) {
    const auto states = states_of(folder);
    const bool last = read_plan(folder).imported ||  // of which nothing runs
                      std::none_of(states.begin(), states.end(),
                                   [](const auto& entry) { return is_to_come(entry.second); });
    if (last) {
      if (over) std::printf("\033[H\033[2J");
      const Report report = make_report(folder);
      std::printf("%s", render_terminal(report, output_width()).c_str());
      keep_report(folder, report);
      return has_faults(report) ? kExitFailed : kExitDone;
    }
    const auto said = std::exchange(counts, counts_text(states));
    if (!over && counts != said) std::printf("%s\n", counts.c_str());
    if (auto ended = ended_of(states); ended != reported) {
      const Report report = make_report(folder);
      table = render_terminal(report, over ? output_width() - 1 : output_width());
      keep_report(folder, report);
      if (!over) std::printf("%s\n", table.c_str());
      reported = std::move(ended);
    }
    if (over)
      print_over(str(counts, " at ", utc_now(), "; looks every ", shortest(seconds),
                     " s until all have ended, Ctrl-C leaves"),
                 table);
    std::fflush(stdout);
    if (!sleep_unless_stopped(seconds)) return kExitInterrupted;
  }
}

}  // namespace kablate
