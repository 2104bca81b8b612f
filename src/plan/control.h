// Controls: what else than its mechanisms could make an arm differ from the baseline.
//
//   parameters, flops   the baseline with an MLP so wide that it has the arm's parameters, or does its
//                       operations an iteration, within 0.5 %: was it the size?
//   narrower, shallower the baseline with an MLP so narrow, or with so few layers, that it has the parameters
//                       of an arm that has fewer: was it what the arm shares, or that there is less of it?
//   wider               such an arm with an MLP so wide that it has the baseline's parameters: what does
//                       sharing buy?
//   dead_twin           the arm with the weights of its mechanisms 0: was it the pairing? It computes what
//                       the baseline computes, so its shared parameters must equal the baseline's bit for
//                       bit.
#pragma once

#include <cstdint>
#include <string>

#include "config/settings.h"
#include "plan/plan_file.h"

namespace kablate {

struct Config;

constexpr double kMatchTolerance = 0.005;

// A width that was solved for.
struct Match {
  std::int64_t width = 0;          // F
  std::string mlp_expansion;       // the shortest decimal with round(MLP_EXPANSION · E) = F
  std::int64_t layers = 0;         // where their number was solved for too
  double target = 0, reached = 0;  // parameters, or FLOPs an iteration
  double deviation() const { return reached / target - 1; }
};

// What a control of this kind makes equal: FLOPs an iteration, or parameters. REQUIRES: no dead twin.
double matched_amount(Control kind, const Config& config);
bool within_tolerance(double amount, double target);

// The F >= 1 with which the amount of `model` is nearest to `target`, among those that validate() accepts.
// Throws UserError, saying how near it comes, if that is farther off than kMatchTolerance.
Match match_width(const Config& model, Control kind, double target);

// Fewer layers, as many as bring the amount of `model` nearest to `target` as it is, and the width that is
// then nearest to it. Throws as match_width(), or if one layer is all there is.
Match match_depth(const Config& model, Control kind, double target);

// Why the arm can have no dead twin, "" if it can: it must have a mechanism
// that the baseline lacks and otherwise differ from it in no symbol that
// changes numbers, a reciprocal attention that the baseline lacks aside.
std::string dead_twin_obstacle(const Settings& arm, const Settings& baseline);

// The arm with the weight of every mechanism that the baseline lacks 0, reciprocal attention included.
// REQUIRES: no obstacle. `origin` is for messages.
Settings dead_twin(const Settings& arm, const Settings& baseline, const std::string& origin);

}  // namespace kablate
