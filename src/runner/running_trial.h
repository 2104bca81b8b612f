// A trial's process, and what its log says while it runs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "plan/plan.h"
#include "record/layout.h"
#include "record/log_tail.h"
#include "runner/forecast.h"
#include "runner/live_lines.h"
#include "runner/process.h"

namespace kablate {

// "step 2 gate+cross, seed 1"; of a folder by its name, or the name itself where it is another.
std::string label_of(const Trial& trial);
std::string label_of(const TrialFolder& folder);

class RunningTrial {
 public:
  // Starts it. Throws WorkError if the system can't, UserError where its log is no file.
  RunningTrial(const Trial& trial, std::size_t kind, const TrialFolder& folder,
               const std::vector<std::string>& arguments);

  const Trial& trial() const { return *trial_; }
  ChildProcess& process() { return process_; }
  double seconds() const { return watch_.seconds(); }  // since it was started

  void look();   // takes in what it has logged since the last look
  void ended();  // the same for the last time: what its pace lacks is now its end
  const TrialPace& pace() const { return pace_; }

  std::optional<double> seconds_left(const Forecast& forecast) const;
  TrialFacts facts(const Forecast& forecast) const;

 private:
  void take(const TrainRow& row, double at);
  void settle(double now);

  const Trial* trial_;
  std::int64_t from_;  // the iteration of the checkpoint that it goes on from
  LogTail log_;        // as it was before the process
  ChildProcess process_;
  Stopwatch watch_;
  TrialPace pace_;
  std::optional<TrainRow> last_;  // of this attempt
  double last_row_at_ = 0;        // by watch_
};

}  // namespace kablate
