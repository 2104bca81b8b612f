// What the user sees while trials run: one line that is rewritten on a terminal, a line an event elsewhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"

namespace kablate {

struct RunningTrial {
  std::string label;  // "step 2 gate+cross, seed 1"
  double fraction = 0;
};

class Progress {
 public:
  // `work` is that of all trials that will run, in any unit.
  Progress(std::int64_t num_trials, double work);

  void event(const std::string& line);              // a trial started, ended, failed
  void done_before(double work) { work_ -= work; }  // by an earlier run: not what this one is timed by
  void finished(double work) { done_ += work, ++num_done_; }

  bool visible() const { return terminal_; }  // whether show() would write anything

  // Rewrites the line; `under_way` is the work done by trials that are not finished.
  void show(const std::vector<RunningTrial>& running, double under_way);
  void clear();

 private:
  std::string estimate(double under_way) const;

  bool terminal_;
  std::int64_t num_trials_, num_done_ = 0;
  double work_, done_ = 0;
  Stopwatch watch_;
  bool shown_ = false;
};

}  // namespace kablate
