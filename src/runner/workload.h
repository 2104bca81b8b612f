// What the trials of a plan amount to in time, for forecast.h: by formula, by finished trials of the same
// experiment, and by timing a few iterations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "data/dataset.h"
#include "plan/plan.h"
#include "record/layout.h"
#include "record/summary.h"
#include "runner/forecast.h"

namespace kablate {

struct Workload {
  std::vector<TrialKind> kinds;
  std::vector<std::size_t> of_trial;   // its kind, for each trial of the plan
  std::vector<const Config*> configs;  // of each kind; the plan's
};

// With what finished trials of this machine tell. `data` say how much an evaluation reads. The plan must
// outlive it. REQUIRES: keys have been assigned.
Workload workload_of(const Plan& plan, const Dataset& data, const ExperimentFolder& folder);

// How a finished trial ended that differs from this one in nothing but the seed, under the same step or, of a
// rerun, under the step that it reruns: the first whose summary serves.
std::optional<TrialSummary> recorded_like(const ExperimentFolder& folder, const Trial& trial,
                                          std::optional<std::int64_t> rerun_of,
                                          const std::function<bool(const TrialSummary&)>& serves);

constexpr std::int64_t kMostTimed = 4;  // iterations of a kind

// Times this many iterations of each of these kinds, `copies` at once, for `seconds` at the most: what was
// not reached by then stays unknown. Throws Interrupted after a signal.
void time_kinds(Workload& workload, const std::vector<std::size_t>& kinds, std::int64_t iterations,
                std::int64_t threads, std::int64_t copies, double seconds);

// The kinds of these trials that nothing is known of; and how many iterations of each are worth timing before
// these trials run, `parallel` at once: as many as take, with warming up, at most a fiftieth of all
// iterations of the trials, or a twentieth where a trial writes no row in its first twentieth. 0 where none
// are, or where all kinds are seen from the start.
std::vector<std::size_t> unknown_kinds(const Workload& workload, const std::vector<std::size_t>& trials);
std::int64_t iterations_worth_timing(const Workload& workload, const std::vector<std::size_t>& trials,
                                     std::int64_t parallel);

}  // namespace kablate
