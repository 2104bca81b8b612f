// What spans several steps: a factorial's effects, and what the mechanisms did.
#include <algorithm>
#include <set>

#include "report/parts.h"

namespace kablate {
namespace {

// The step of each cell of the factorial; empty if one is missing.
std::vector<std::int64_t> steps_of_cells(const PlanRecord& plan) {
  if (plan.factors.empty()) return {};
  std::vector<std::int64_t> steps(std::size_t{1} << plan.factors.size());
  std::set<std::int64_t> found;
  for (const auto& step : plan.steps)
    if (step.is_arm() && step.cell && *step.cell >= 0 &&
        static_cast<std::size_t>(*step.cell) < steps.size()) {
      steps[static_cast<std::size_t>(*step.cell)] = step.number;
      found.insert(*step.cell);
    }
  if (found.size() != steps.size()) steps.clear();
  return steps;
}

// The final losses of one seed in the order of the cells; empty if one is missing or not comparable.
std::vector<double> losses_of_seed(const ExperimentRecord& experiment, const std::vector<std::int64_t>& steps,
                                   std::int64_t seed) {
  std::vector<double> losses;
  const auto* first = experiment.find_trial(steps.front(), seed);
  for (const auto step : steps) {
    const auto* trial = experiment.find_trial(step, seed);
    if (trial == nullptr || trial->state != TrialState::kDone || !trial->summary->val_loss) return {};
    if (!comparable(*trial->summary, *first->summary)) return {};
    const auto terms = term_differences(trial->key_text, first->key_text);
    if (!are_paired(terms, experiment.plan.factors)) return {};
    losses.push_back(*trial->summary->val_loss);
  }
  return losses;
}

MechanismUse mean_use(const std::vector<const TrialRecord*>& trials, std::int64_t step,
                      std::int64_t iteration) {
  std::map<std::string, std::vector<double>> all;
  for (const auto* trial : trials)
    for (const auto& row : trial->mechanisms)
      if (row.iteration == iteration)
        for (const auto& [key, value] : row.values)
          if (!key.starts_with(kExpertLoad))
            all[key].push_back(value);  // one layer's experts are not another's
  MechanismUse use{step, iteration, {}};
  for (const auto& [key, values] : all) use.values[key] = mean_sd(values).mean;
  return use;
}

}  // namespace

std::vector<FactorialEffect> effects_of(const ExperimentRecord& experiment) {
  const auto steps = steps_of_cells(experiment.plan);
  if (steps.empty()) return {};
  if (std::any_of(steps.begin(), steps.end(), [&](auto step) { return has_diverged(experiment, step); }))
    return {};
  std::vector<std::vector<double>> losses;
  for (const auto seed : experiment.plan.seeds)
    if (auto cells = losses_of_seed(experiment, steps, seed); !cells.empty())
      losses.push_back(std::move(cells));
  if (losses.size() < 2) return {};
  return factorial_effects(losses, kAlpha);
}

std::vector<MechanismUse> mechanism_uses(const ExperimentRecord& experiment) {
  std::vector<MechanismUse> uses;
  for (const auto& step : experiment.plan.steps) {
    const auto trials = finished_trials(experiment, step.number);
    std::set<std::int64_t> iterations;
    for (const auto* trial : trials)
      for (const auto& row : trial->mechanisms) iterations.insert(row.iteration);
    if (iterations.empty()) continue;
    const auto first = mean_use(trials, step.number, *iterations.begin());
    if (first.values.empty()) continue;
    uses.push_back(first);
    if (iterations.size() > 1) uses.push_back(mean_use(trials, step.number, *iterations.rbegin()));
  }
  return uses;
}

}  // namespace kablate
