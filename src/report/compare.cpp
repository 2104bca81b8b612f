// A row beside the others: differences, readings of the curves, verdicts.
#include <algorithm>

#include "report/parts.h"

namespace kablate {
namespace {

std::vector<double> differences_of(const Comparison& comparison) {
  const auto& judged = measures().front();
  const auto treated = values_of(comparison, &TrialPair::treated, judged);
  const auto other = values_of(comparison, &TrialPair::other, judged);
  std::vector<double> differences;
  for (std::size_t i = 0; i < treated.size(); ++i) differences.push_back(treated[i] - other[i]);
  return differences;
}

// Milliseconds an iteration, mean over one side of the pairs; empty if one was not timed.
std::optional<double> ms_of(const Comparison& comparison, const TrialRecord* TrialPair::*side) {
  std::vector<double> times;
  for (const auto& pair : comparison.pairs) {
    const auto& ms = (pair.*side)->summary->ms_per_iter;
    if (!ms) return {};
    times.push_back(*ms);
  }
  if (times.empty()) return {};
  return mean_sd(times).mean;
}

void compare_with(const ExperimentRecord& experiment, const PlannedStep& reference, ReportRow& row,
                  std::vector<std::string>& notes) {
  const auto& judged = measures().front();
  const auto comparison = compare_trials(experiment, row.step, reference.number, &notes);
  for (const auto& measure : measures())
    row.changes.push_back(measure.compared ? difference_of(comparison, measure) : std::nullopt);
  row.delta = row.changes.front();
  if (!row.delta) return;
  row.terms = text_of(comparison.terms);
  if (const double other = mean_sd(values_of(comparison, &TrialPair::other, judged)).mean; other > 0)
    row.delta_percent = percent_of(row.delta->mean, other);
  if (row.delta->paired) row.sign_flip = sign_flip(differences_of(comparison));
  if (row.rerun_of || experiment.plan.imported) return;  // an import has no curves
  row.worth = worth_of(comparison);
  row.change_curve = change_curve(comparison);
  row.equal_flops = at_equal_budget(comparison, row.flops_per_iteration, reference.flops_per_iteration);
  row.times_comparable = times_comparable(comparison);
  if (!row.times_comparable) return;
  row.equal_time = at_equal_budget(comparison, ms_of(comparison, &TrialPair::treated),
                                   ms_of(comparison, &TrialPair::other));
}

std::optional<Difference> judged_difference(const ExperimentRecord& experiment, std::int64_t treated,
                                            std::int64_t other) {
  return difference_of(compare_trials(experiment, treated, other), measures().front());
}

// The arm before `step`, by number; the baseline is one of them.
std::optional<std::int64_t> arm_before(const PlanRecord& plan, std::int64_t step) {
  std::optional<std::int64_t> result;
  for (const auto& other : plan.steps)
    if (other.is_arm() && other.number < step) result = std::max(result.value_or(other.number), other.number);
  return result;
}

std::optional<std::int64_t> another_to_compare_with(const PlanRecord& plan, const PlannedStep& step) {
  if (!step.after) return arm_before(plan, step.number);
  return *step.after == plan.baseline ? std::nullopt : std::optional(plan.baseline);
}

void compare_with_control(const ExperimentRecord& experiment, ReportRow& row) {
  if (row.control.empty() || row.control == "dead_twin" || !row.control_of) return;
  // The wider arm has what the baseline has; the others have what the arm has.
  row.matched = row.control == "wider" ? MatchedPair{row.step, experiment.plan.baseline}
                                       : MatchedPair{*row.control_of, row.step};
  row.versus_control = judged_difference(experiment, row.matched->arm, row.matched->control);
}

// No verdict where trials of the arm or of what it is compared with diverged. The plan's arms that were not
// selected keep their places in the family.
void judge(const ExperimentRecord& experiment, std::size_t measure, std::vector<ReportRow>& rows) {
  std::vector<ReportRow*> arms;
  std::vector<std::optional<Difference>> family;
  for (auto& row : rows) {
    if (row.role != "arm") continue;
    const auto* step = experiment.plan.find_step(row.step);
    const bool barred = !step->blocked.empty() || has_diverged(experiment, row.step) ||
                        has_diverged(experiment, step->reference(experiment.plan.baseline));
    arms.push_back(&row);
    const bool compared = measure < row.changes.size();
    family.push_back(barred || !compared ? std::nullopt : row.changes[measure]);
  }
  family.resize(std::max(family.size(), experiment.plan.family()));
  const auto better = measure == 0 && experiment.plan.imported ? experiment.plan.imported->better
                                                               : measures()[measure].better;
  const auto judged = verdicts(family, better);
  for (std::size_t i = 0; i < arms.size(); ++i) arms[i]->verdicts[measure] = judged[i];
}

}  // namespace

void compare_rows(const ExperimentRecord& experiment, std::vector<ReportRow>& rows,
                  std::vector<std::string>& notes) {
  const auto& plan = experiment.plan;
  for (auto& row : rows) {
    const auto* step = plan.find_step(row.step);
    const auto* reference = plan.find_step(step->reference(plan.baseline));
    row.against = step->after;
    if (reference != nullptr && row.step != plan.baseline) compare_with(experiment, *reference, row, notes);
    if (row.role == "arm") {
      row.previous = another_to_compare_with(plan, *step);
      if (row.previous) row.delta_previous = judged_difference(experiment, row.step, *row.previous);
    }
    compare_with_control(experiment, row);
  }
  for (auto& row : rows) row.verdicts.resize(measures().size());
  for (std::size_t i = 0; i < measures().size(); ++i)
    if (measures()[i].compared) judge(experiment, i, rows);
  for (auto& row : rows) row.verdict = row.verdicts.front();
}

}  // namespace kablate
