#include "report/curves.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"

namespace kablate {
namespace {

Curve mean_of_side(const Comparison& comparison, const TrialRecord* TrialPair::*side) {
  std::vector<Curve> curves;
  for (const auto& pair : comparison.pairs) curves.push_back(curve_of(*(pair.*side)));
  return mean_curve(curves);
}

// Of one pair: trials of one step have as many.
double iterations_of(const TrialRecord& trial) { return static_cast<double>(trial.summary->iterations); }

// A trial has a curve of validation losses; their last point is its first measure.
std::vector<double> final_losses(const Comparison& comparison, const TrialRecord* TrialPair::*side) {
  return values_of(comparison, side, measures().front());
}

// The losses of one side at an iteration; empty if some trial's curve has none there.
std::optional<std::vector<double>> losses_at(const Comparison& comparison,
                                             const TrialRecord* TrialPair::*side, double iteration) {
  std::vector<double> losses;
  for (const auto& pair : comparison.pairs) {
    const auto loss = loss_at(curve_of(*(pair.*side)), iteration);
    if (!loss) return {};
    losses.push_back(*loss);
  }
  return losses;
}

}  // namespace

Curve curve_of(const TrialRecord& trial) {
  Curve curve;
  for (const auto& evaluation : trial.evaluations)
    if (evaluation.val_loss)
      curve.push_back({static_cast<double>(evaluation.iteration), *evaluation.val_loss});
  return curve;
}

Curve mean_curve(const std::vector<Curve>& curves) {
  std::map<double, std::vector<double>> losses;
  for (const auto& curve : curves)
    for (const auto& point : curve) losses[point.iteration].push_back(point.loss);
  Curve mean;
  for (const auto& [iteration, values] : losses)
    if (values.size() == curves.size()) mean.push_back({iteration, mean_sd(values).mean});
  return mean;
}

std::vector<ChangePoint> change_curve(const Comparison& comparison) {
  if (comparison.empty()) return {};
  std::map<double, std::vector<double>> treated, other;
  for (const auto& pair : comparison.pairs) {
    for (const auto& point : curve_of(*pair.treated)) treated[point.iteration].push_back(point.loss);
    for (const auto& point : curve_of(*pair.other)) other[point.iteration].push_back(point.loss);
  }
  std::vector<ChangePoint> curve;
  for (const auto& [iteration, losses] : treated)
    if (const auto found = other.find(iteration); found != other.end() &&
                                                  losses.size() == comparison.pairs.size() &&
                                                  found->second.size() == losses.size())
      curve.push_back({iteration, difference_of(comparison, losses, found->second)});
  return curve;
}

std::optional<double> loss_at(const Curve& curve, double iteration) {
  if (curve.empty() || iteration < curve.front().iteration || iteration > curve.back().iteration) return {};
  for (std::size_t i = 1; i < curve.size(); ++i)
    if (iteration < curve[i].iteration) {
      const auto &a = curve[i - 1], &b = curve[i];
      return a.loss + (b.loss - a.loss) * (iteration - a.iteration) / (b.iteration - a.iteration);
    }
  return curve.back().loss;
}

std::optional<double> first_reaching(const Curve& curve, double loss) {
  for (std::size_t i = 0; i < curve.size(); ++i) {
    if (curve[i].loss > loss) continue;
    if (i == 0) return curve[0].iteration;
    const auto &a = curve[i - 1], &b = curve[i];
    return a.iteration + (b.iteration - a.iteration) * (a.loss - loss) / (a.loss - b.loss);
  }
  return {};
}

std::optional<Worth> worth_of(const Comparison& comparison) {
  if (comparison.empty()) return {};
  const auto own = mean_of_side(comparison, &TrialPair::treated);
  const auto base = mean_of_side(comparison, &TrialPair::other);
  if (own.empty() || base.empty()) return {};
  const double end = iterations_of(*comparison.pairs.front().other);
  const double loss = mean_sd(final_losses(comparison, &TrialPair::treated)).mean;
  const double base_loss = mean_sd(final_losses(comparison, &TrialPair::other)).mean;
  Worth worth;
  worth.reaches_baseline_at = first_reaching(own, base_loss);
  const auto reached = first_reaching(base, loss);
  if (loss < base_loss) {
    worth.text = "more than 0: the baseline ends above it";
  } else if (!reached) {
    worth.text = "unknown: the baseline's evaluations end above its final loss";
  } else if (*reached == base.front().iteration && base.front().loss < loss) {
    worth.text = str("less than ", fixed(base.front().iteration - end, 0),
                     ": the baseline is below it at its first evaluation");
  } else {
    worth.iterations = loss == base_loss ? 0 : *reached - end;
    worth.text = fixed(std::round(*worth.iterations) + 0.0, 0);  // + 0.0: no "-0"
  }
  return worth;
}

std::optional<EqualBudget> at_equal_budget(const Comparison& comparison, std::optional<double> treated_cost,
                                           std::optional<double> other_cost) {
  if (comparison.empty() || !treated_cost || !other_cost || *treated_cost <= 0 || *other_cost <= 0) return {};
  const double treated_end = iterations_of(*comparison.pairs.front().treated);
  const double other_end = iterations_of(*comparison.pairs.front().other);
  const double treated_total = *treated_cost * treated_end, other_total = *other_cost * other_end;
  EqualBudget reading;
  std::optional<std::vector<double>> treated = final_losses(comparison, &TrialPair::treated);
  std::optional<std::vector<double>> other = final_losses(comparison, &TrialPair::other);
  if (treated_total > other_total) {
    reading.treated_read = true, reading.iteration = other_total / *treated_cost;
    treated = losses_at(comparison, &TrialPair::treated, reading.iteration);
  } else if (other_total > treated_total) {
    reading.other_read = true, reading.iteration = treated_total / *other_cost;
    other = losses_at(comparison, &TrialPair::other, reading.iteration);
  } else {
    reading.iteration = treated_end;
  }
  if (!treated || !other) return {};
  reading.delta = difference_of(comparison, *treated, *other);
  return reading;
}

}  // namespace kablate
