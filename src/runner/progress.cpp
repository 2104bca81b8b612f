#include "runner/progress.h"

#include <cstdio>

namespace kablate {

Progress::Progress() : terminal_(error_terminal()), block_(terminal_.reflows) {}

// In one piece: what is taken away and not there again yet would flicker.
void Progress::send(const std::string& text) {
  if (text.empty()) return;
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

void Progress::event(const std::string& line) { send(block_.remove(error_size()) + line + "\n"); }

void Progress::show(const RunFacts& run, Clock::time_point now) {
  if (!terminal_.rewritable) return show_plainly(run, now);
  const auto size = error_size();
  send(block_.replace(live_lines(run, size, terminal_.colour), size));
}

void Progress::show_plainly(const RunFacts& run, Clock::time_point now) {
  std::map<std::string, Clock::time_point> said;
  for (const auto& trial : run.trials) {
    const auto before = said_.find(trial.label);
    const bool due = before != said_.end() && now - before->second >= kBetweenPlainLines;
    if (due) send(plain_line(trial, run) + "\n");
    said[trial.label] = due || before == said_.end() ? now : before->second;
  }
  said_ = std::move(said);
}

void Progress::clear() { send(block_.remove(error_size())); }

}  // namespace kablate
