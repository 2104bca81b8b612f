// What a difference is worth in training: readings of the validation curves that the evaluations drew.
// Between two evaluations a curve is a straight line; before the first it does not exist. Where the learning
// rate decays, a loss read in the middle of a run is not the final loss of a shorter run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "report/pairing.h"

namespace kablate {

struct CurvePoint {
  double iteration = 0, loss = 0;
};
using Curve = std::vector<CurvePoint>;  // by rising iteration

Curve curve_of(const TrialRecord& trial);  // validation losses; evaluations without one are left out

// The mean over curves at the iterations that all of them have.
Curve mean_curve(const std::vector<Curve>& curves);

// The loss at an iteration; empty before the first point and after the last.
std::optional<double> loss_at(const Curve& curve, double iteration);

// The first iteration at which the curve is down to `loss`; empty if it never is.
std::optional<double> first_reaching(const Curve& curve, double loss);

// How many iterations of the baseline a difference is worth, by the mean curves over the pairs: where the
// baseline's curve is down to the arm's final loss, minus the baseline's iterations (so a harm is negative).
struct Worth {
  std::optional<double> iterations;           // empty where the baseline's curve does not show it
  std::string text;                           // "-40", "more than 0: the baseline ends above it", …
  std::optional<double> reaches_baseline_at;  // where the arm's curve is down to the baseline's final loss
};
std::optional<Worth> worth_of(const Comparison& comparison);  // empty without curves

// The difference at equal cost, paired where the comparison is. The side that is dearer in all is read before
// its end, where it has cost what the cheaper one cost in all; the cheaper one is read at its end.
struct EqualBudget {
  Difference delta;
  bool treated_read = false, other_read = false;  // which side was read early; neither at equal cost
  double iteration = 0;                           // where
};

// `treated_cost` and `other_cost`: of one iteration, in one unit. Empty where the place lies before the first
// evaluation, or without costs, pairs or curves.
std::optional<EqualBudget> at_equal_budget(const Comparison& comparison, std::optional<double> treated_cost,
                                           std::optional<double> other_cost);

// The difference at each iteration at which every trial of both sides was evaluated.
struct ChangePoint {
  double iteration = 0;
  Difference change;
};
std::vector<ChangePoint> change_curve(const Comparison& comparison);

}  // namespace kablate
