// Which trials of two steps belong together, and what they say. Trials of one seed stand beside each other if
// both are finished and comparable; they are pairs if they were trained on the same terms (plan/terms.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "plan/terms.h"
#include "record/measure.h"
#include "record/reader.h"
#include "stats/paired.h"

namespace kablate {

struct TrialPair {
  const TrialRecord *treated = nullptr, *other = nullptr;
};

// The trials of two steps beside each other, by seed.
struct Comparison {
  std::vector<TrialPair> pairs;
  std::vector<TermDifference> terms;  // in which some of them differ; DATA_SEED of several seeds: "1, 2, 3"
  bool paired = true;                 // false: two samples, whose differences within a seed mean nothing

  bool empty() const { return pairs.empty(); }
};

// The finished trials of a step in the order of the plan's seeds.
std::vector<const TrialRecord*> finished_trials(const ExperimentRecord& experiment, std::int64_t step);

// Whether a trial of the step diverged: what remains of its seeds is a selection of the better ones.
bool has_diverged(const ExperimentRecord& experiment, std::int64_t step);

// Trials of different threads, devices or arithmetic (measure/arithmetic.h) add numbers in another order:
// their difference is not the arm's alone. "" or why they are not compared.
std::string why_not_comparable(const TrialSummary& a, const TrialSummary& b);
bool comparable(const TrialSummary& a, const TrialSummary& b);

// The trials of step `treated` and step `other` that have the first measure each. `notes`, where given, gets
// a line for every seed that is left out, with the reason: not comparable, or measured on other tokens.
Comparison compare_trials(const ExperimentRecord& experiment, std::int64_t treated, std::int64_t other,
                          std::vector<std::string>* notes = nullptr);

// Why a trial's times are not those of its arm alone, "" if nothing says so: its first thread, which has work
// in every part of an update, ran less than kFreeShare of it, so something else had the core.
constexpr double kFreeShare = 0.9;
std::string load_of(const TrialSummary& summary);

// Whether the times of both sides can be held against each other: none of them ran under other load, as many
// trials of the run could be beside the one as beside the other, and each pair ran on one host.
bool times_comparable(const Comparison& comparison);

// What one side ended with, in the order of the pairs; empty if one of them lacks it.
std::vector<double> values_of(const Comparison& comparison, const TrialRecord* TrialPair::*side,
                              const Measure& measure);

// Of what both sides ended with, paired or not as the comparison says; empty without a pair.
std::optional<Difference> difference_of(const Comparison& comparison, const Measure& measure);

// The same of values read elsewhere, in the order of the pairs.
Difference difference_of(const Comparison& comparison, const std::vector<double>& treated,
                         const std::vector<double>& other);

}  // namespace kablate
