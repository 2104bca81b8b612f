#include "cli/watch.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/show_report.h"
#include "record/reader.h"
#include "record/writer.h"
#include "report/render.h"
#include "train/stop_signal.h"

namespace kablate {
namespace {

// By trial folder; without the trials' rows.
std::map<std::string, TrialState> states_of(const ExperimentFolder& folder) {
  std::map<std::string, TrialState> states;
  const auto plan = read_plan(folder);
  for (const auto& trial : plan.trials) {
    const auto* step = plan.find_step(trial.step);
    const bool blocked = step != nullptr && !step->blocked.empty();
    states[trial.folder] = blocked ? TrialState::kBlocked : read_trial(folder.trial(trial.folder)).state;
  }
  return states;
}

bool to_come(TrialState state) {
  return state == TrialState::kMissing || state == TrialState::kRunning || state == TrialState::kInterrupted;
}

// "12 of 18 trials done, 2 running, 4 missing"
std::string counts_text(const std::map<std::string, TrialState>& states) {
  std::map<TrialState, int> counts;
  for (const auto& [name, state] : states) ++counts[state];
  std::string text = str(counts[TrialState::kDone], " of ", states.size(), " trials done");
  for (const auto& [state, count] : counts)
    if (state != TrialState::kDone && count > 0) text += str(", ", count, " ", state_name(state));
  return text;
}

// The first lines of a text that fit the terminal: below them is what the table's columns mean.
std::string first_rows(const std::string& text, std::size_t rows) {
  std::size_t end = 0;
  for (std::size_t row = 0; row < rows && end < text.size(); ++row) {
    const auto line_end = text.find('\n', end);
    end = line_end == std::string::npos ? text.size() : line_end + 1;
  }
  return text.substr(0, end);
}

void print_over(const std::string& status, const std::string& table) {
  const std::size_t rows = output_rows();
  std::printf("\033[H\033[2J%s\n\n%s", status.c_str(),
              first_rows(table, rows - std::min(rows, std::size_t{3})).c_str());
  std::fflush(stdout);
}

void wait(double seconds) {
  using namespace std::chrono_literals;
  for (const Stopwatch watch; watch.seconds() < seconds && !stop_requested();)
    std::this_thread::sleep_for(50ms);
}

}  // namespace

int watch_report(const ExperimentFolder& folder, double seconds) {
  catch_stop_signals();
  const bool over = output_is_rewritable();
  std::map<std::string, TrialState> before;
  std::string table;
  while (true) {
    const auto states = states_of(folder);
    const bool last =
        read_plan(folder).imported ||  // of which nothing runs
        std::none_of(states.begin(), states.end(), [](const auto& entry) { return to_come(entry.second); });
    if (last) {
      if (over) std::printf("\033[H\033[2J");
      const Report report = make_report(folder);
      std::printf("%s", render_terminal(report, output_width()).c_str());
      keep_report(folder, report);
      return has_faults(report) ? kExitFailed : kExitDone;
    }
    if (states != before) {
      const Report report = make_report(folder);
      table = render_terminal(report, output_width());
      keep_report(folder, report);
      if (!over) std::printf("%s\n%s\n", counts_text(states).c_str(), table.c_str());
      std::fflush(stdout);
      before = states;
    }
    if (over)
      print_over(str(counts_text(states), " at ", utc_now(), "; looks every ", shortest(seconds),
                     " s until all have ended, Ctrl-C leaves"),
                 table);
    wait(seconds);
    if (stop_requested()) return kExitInterrupted;
  }
}

}  // namespace kablate
