#include "runner/forecast.h"

#include <algorithm>
#include <cmath>

namespace kablate {
namespace {

// Where nothing was seen yet: what processes took to start, and evaluations with the rest against their
// forward passes, on the models of the ready-made configurations.
constexpr double kUsualStart = 1.0, kUsualFactor = 0.85;

}  // namespace

Forecast::Forecast(const std::vector<TrialKind>& kinds, const std::vector<TrialPace>& seen)
    : kinds_(kinds), iterations_(kinds.size()), seconds_(kinds.size()) {
  double starts = 0, started = 0;
  for (const auto& trial : seen) {
    iterations_[trial.kind] += trial.iterations, seconds_[trial.kind] += trial.train_seconds;
    if (trial.start_seconds) starts += *trial.start_seconds, ++started;
  }
  start_seconds_ = started > 0 ? starts / started : kUsualStart;
  compare_with_before(seen);
  weigh_the_rest(seen);
}

void Forecast::compare_with_before(const std::vector<TrialPace>& seen) {
  double now = 0, before = 0, seconds = 0, flops = 0;
  for (const auto& trial : seen) {
    const auto& kind = kinds_[trial.kind];
    seconds += trial.train_seconds, flops += trial.iterations * kind.flops;
    if (kind.ms) now += trial.train_seconds, before += trial.iterations * *kind.ms / 1e3;
  }
  if (before > 0) slowdown_ = now / before;
  if (flops > 0) seconds_per_flop_ = seconds / flops;
}

// Evaluations and all else against what their forward passes would take. Trials that have ended say the most:
// they have seen their end, too.
void Forecast::weigh_the_rest(const std::vector<TrialPace>& seen) {
  double took[2] = {}, expected[2] = {}, before = 0, expected_before = 0;
  for (const auto& trial : seen) {
    const auto speed = ms(trial.kind);
    if (!speed || trial.evaluations <= 0) continue;
    took[trial.ended] += trial.beside_seconds;
    expected[trial.ended] += trial.evaluations * kinds_[trial.kind].evaluation_cost * *speed / 1e3;
  }
  for (const auto& kind : kinds_)
    if (kind.ms && kind.beside) {
      before += *kind.beside;
      expected_before += kind.evaluations * kind.evaluation_cost * *kind.ms / 1e3;
    }
  evaluation_factor_ = expected[1] > 0       ? took[1] / expected[1]
                       : expected_before > 0 ? before / expected_before
                       : expected[0] > 0     ? took[0] / expected[0]
                                             : kUsualFactor;
}

std::optional<double> Forecast::ms(std::size_t kind) const {
  if (iterations_[kind] >= kFewIterations) return 1e3 * seconds_[kind] / iterations_[kind];
  if (kinds_[kind].ms) return *kinds_[kind].ms * slowdown_.value_or(1);
  if (seconds_per_flop_) return 1e3 * *seconds_per_flop_ * kinds_[kind].flops;
  return {};
}

std::optional<double> Forecast::seconds_from(std::size_t kind, double done, std::optional<double> own) const {
  const auto speed = own ? own : ms(kind);
  if (!speed) return {};
  const auto& k = kinds_[kind];
  const double share = k.iterations > 0 ? std::clamp(done / k.iterations, 0.0, 1.0) : 1;
  const double evaluations = std::ceil((1 - share) * k.evaluations);
  return *speed / 1e3 * ((1 - share) * k.iterations + evaluation_factor_ * evaluations * k.evaluation_cost);
}

std::optional<double> Forecast::trial_seconds(std::size_t kind, double done) const {
  const auto seconds = seconds_from(kind, done);
  return seconds ? std::optional(start_seconds_ + *seconds) : std::nullopt;
}

std::optional<std::vector<double>> all_known(const std::vector<std::optional<double>>& seconds) {
  std::vector<double> known;
  for (const auto& one : seconds)
    if (one) known.push_back(*one);
  return known.size() == seconds.size() ? std::optional(known) : std::nullopt;
}

double makespan(const std::vector<double>& running, const std::vector<double>& pending, std::size_t slots) {
  std::vector<double> ends = running;
  ends.resize(std::max(ends.size(), std::max<std::size_t>(1, slots)), 0.0);
  for (const auto seconds : pending) *std::min_element(ends.begin(), ends.end()) += seconds;
  return *std::max_element(ends.begin(), ends.end());
}

bool fits(const TimeLeft& left, bool seed_is_begun, std::optional<double> alone,
          const std::vector<std::optional<double>>& row) {
  if (seed_is_begun) return !alone || *alone <= left.seconds;
  if (!left.running) return false;           // they will tell more
  if (!alone) return left.running->empty();  // nothing is known of anything
  std::vector<double> seconds;
  for (const auto& one : row) seconds.push_back(one.value_or(*alone));
  return makespan(*left.running, seconds, left.slots) <= left.seconds;
}

}  // namespace kablate
