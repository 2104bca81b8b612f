// How long trials will take: from what this run has seen of its trials so far, and from what was known of
// their speed before it. Arithmetic alone; workload.h says where the numbers come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace kablate {

constexpr double kFewIterations = 5;  // fewer say little of a trial's speed

// Trials of one configuration: steps under all seeds, and their reruns.
struct TrialKind {
  double iterations = 0;         // of a trial
  double flops = 0;              // of an iteration
  double evaluation_cost = 0;    // of an evaluation, in iterations (a forward pass is a third of one)
  double evaluations = 1;        // of a trial, the last one included
  std::optional<double> ms;      // of an iteration, as measured before this run
  std::optional<double> beside;  // seconds of a trial beside its iterations, likewise, without start-up
};

// What this run has seen of one trial: of what it did itself, not of what an earlier attempt had done.
struct TrialPace {
  std::size_t kind = 0;
  std::optional<double> start_seconds;         // until its first logged iteration was done
  double iterations = 0, train_seconds = 0;    // after that one
  double evaluations = 0, beside_seconds = 0;  // and what it took beside iterations: evaluation, saving, end
  bool ended = false;
};

class Forecast {
 public:
  Forecast(const std::vector<TrialKind>& kinds, const std::vector<TrialPace>& seen);

  // Of an iteration, milliseconds: as this run has seen it; else as it was before, times how this run's other
  // trials compare with what they were; else by the FLOPs of those. Empty without any of them.
  std::optional<double> ms(std::size_t kind) const;

  double start_seconds() const { return start_seconds_; }

  // From iteration `done` to the end of the trial, without start-up. `own` is what its own pace in this run
  // says of an iteration, milliseconds.
  std::optional<double> seconds_from(std::size_t kind, double done, std::optional<double> own = {}) const;

  // A trial that is yet to be started at `done`.
  std::optional<double> trial_seconds(std::size_t kind, double done = 0) const;

 private:
  void compare_with_before(const std::vector<TrialPace>& seen);
  void weigh_the_rest(const std::vector<TrialPace>& seen);

  const std::vector<TrialKind>& kinds_;
  std::vector<double> iterations_, seconds_;  // seen, by kind
  std::optional<double> slowdown_;            // against what was measured before
  std::optional<double> seconds_per_flop_;
  double start_seconds_, evaluation_factor_;
};

// Empty unless every one is known.
std::optional<std::vector<double>> all_known(const std::vector<std::optional<double>>& seconds);

// When the last of them ends: `running` have these seconds left, `pending` follow in their order, `slots` at
// once.
double makespan(const std::vector<double>& running, const std::vector<double>& pending, std::size_t slots);

// What is left of the time that a run may take.
struct TimeLeft {
  double seconds = 0;
  std::optional<std::vector<double>> running;  // what each trial that runs still takes; empty: not known yet
  std::size_t slots = 1;
};

// Whether a trial may be started that would take `alone` seconds; `row` are those of all trials of its seed
// that wait, its own too, each empty where it is not known. A seed that is begun goes on trial by trial;
// another begins only where all of its steps end in time, since a table is of seeds that every step has. Of
// the first trial of a run nothing may be known: it will tell.
bool fits(const TimeLeft& left, bool seed_is_begun, std::optional<double> alone,
          const std::vector<std::optional<double>>& row);

}  // namespace kablate
