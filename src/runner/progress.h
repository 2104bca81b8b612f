// What the user sees while trials run: on a terminal lines that are written over, with what happens above
// them; elsewhere a line an event, and now and then one a trial. All of it on standard error.
#pragma once

#include <chrono>
#include <map>
#include <string>

#include "base/live_block.h"
#include "base/terminal.h"
#include "runner/live_lines.h"

namespace kablate {

class Progress {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kBetweenPlainLines{60};  // of one trial

  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void event(const std::string& line);                                   // a trial started, ended, failed
  void show(const RunFacts& run, Clock::time_point now = Clock::now());  // as things stand now
  void clear();  // takes away what is to be written over

 private:
  void send(const std::string& text);
  void show_plainly(const RunFacts& run, Clock::time_point now);

  ErrorTerminal terminal_;
  LiveBlock block_;
  std::map<std::string, Clock::time_point> said_;  // by label: when it was said last
};

}  // namespace kablate
