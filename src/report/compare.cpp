// A row beside the others: differences, readings of the curves, verdicts.
#include <algorithm>

#include "report/parts.h"

namespace kablate {
namespace {

std::vector<double> differences_of(const std::vector<TrialPair>& pairs) {
  std::vector<double> differences;
  for (const auto& pair : pairs)
    differences.push_back(*pair.treated->summary->val_loss - *pair.other->summary->val_loss);
  return differences;
}

// Milliseconds an iteration, mean over one side of the pairs; empty if one was not timed.
std::optional<double> ms_of(const std::vector<TrialPair>& pairs, const TrialRecord* TrialPair::*side) {
  std::vector<double> times;
  for (const auto& pair : pairs) {
    const auto& ms = (pair.*side)->summary->ms_per_iter;
    if (!ms) return {};
    times.push_back(*ms);
  }
  if (times.empty()) return {};
  return mean_sd(times).mean;
}

void compare_with_baseline(const ExperimentRecord& experiment, const PlannedStep& baseline, ReportRow& row,
                           std::vector<std::string>& notes) {
  const auto pairs = pair_trials(experiment, row.step, baseline.number, &notes);
  row.delta = difference_of(pairs);
  if (!row.delta) return;
  row.delta_percent = percent_of(row.delta->mean, mean_sd(losses_of(pairs, &TrialPair::other)).mean);
  row.sign_flip = sign_flip(differences_of(pairs));
  if (row.rerun_of) return;
  row.worth = worth_of(pairs);
  row.equal_flops = at_equal_budget(pairs, row.flops_per_iteration, baseline.flops_per_iteration);
  row.equal_time = at_equal_budget(pairs, ms_of(pairs, &TrialPair::treated), ms_of(pairs, &TrialPair::other));
}

// The arm before `step`, by number; the baseline is one of them.
std::optional<std::int64_t> arm_before(const PlanRecord& plan, std::int64_t step) {
  std::optional<std::int64_t> result;
  for (const auto& other : plan.steps)
    if (other.is_arm() && other.number < step) result = std::max(result.value_or(other.number), other.number);
  return result;
}

// No verdict where trials of the arm or of the baseline diverged. The plan's arms that were not selected keep
// their places in the family.
void judge(const ExperimentRecord& experiment, std::vector<ReportRow>& rows) {
  std::vector<ReportRow*> arms;
  std::vector<std::optional<PairedDifference>> family;
  for (auto& row : rows) {
    if (row.role != "arm") continue;
    const auto* step = experiment.plan.find_step(row.step);
    const bool barred = !step->blocked.empty() || has_diverged(experiment, row.step) ||
                        has_diverged(experiment, experiment.plan.baseline);
    arms.push_back(&row);
    family.push_back(barred ? std::nullopt : row.delta);
  }
  family.resize(std::max(family.size(), experiment.plan.family()));
  const auto judged = verdicts(family);
  for (std::size_t i = 0; i < arms.size(); ++i) arms[i]->verdict = judged[i];
}

}  // namespace

void compare_rows(const ExperimentRecord& experiment, std::vector<ReportRow>& rows,
                  std::vector<std::string>& notes) {
  const auto& plan = experiment.plan;
  const auto* baseline = plan.find_step(plan.baseline);
  for (auto& row : rows) {
    if (baseline != nullptr && row.step != plan.baseline)
      compare_with_baseline(experiment, *baseline, row, notes);
    if (row.role == "arm") {
      row.previous = arm_before(plan, row.step);
      if (row.previous) row.delta_previous = difference_of(pair_trials(experiment, row.step, *row.previous));
    }
    if ((row.control == "parameters" || row.control == "flops") && row.control_of)
      row.versus_control = difference_of(pair_trials(experiment, *row.control_of, row.step));
  }
  judge(experiment, rows);
}

}  // namespace kablate
