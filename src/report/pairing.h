// Which trials of two steps belong together, and what their losses say. Trials are paired by seed; both must
// be finished and comparable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "record/reader.h"
#include "stats/paired.h"

namespace kablate {

struct TrialPair {
  const TrialRecord *treated = nullptr, *other = nullptr;
};

// The finished trials of a step in the order of the plan's seeds.
std::vector<const TrialRecord*> finished_trials(const ExperimentRecord& experiment, std::int64_t step);

// Whether a trial of the step diverged: what remains of its seeds is a selection of the better ones.
bool has_diverged(const ExperimentRecord& experiment, std::int64_t step);

// Trials of different threads, devices or arithmetic (measure/arithmetic.h) add numbers in another order:
// their difference is not the arm's alone. "" or why they are not compared.
std::string why_not_comparable(const TrialSummary& a, const TrialSummary& b);
bool comparable(const TrialSummary& a, const TrialSummary& b);

// The pairs of step `treated` and step `other` with a validation loss each. `notes`, where given, gets a line
// for every pair that is not comparable.
std::vector<TrialPair> pair_trials(const ExperimentRecord& experiment, std::int64_t treated,
                                   std::int64_t other, std::vector<std::string>* notes = nullptr);

// The final losses of one side, in the order of the pairs.
std::vector<double> losses_of(const std::vector<TrialPair>& pairs, const TrialRecord* TrialPair::*side);

// Of the final losses; empty without a pair.
std::optional<PairedDifference> difference_of(const std::vector<TrialPair>& pairs);

}  // namespace kablate
