#include "report/samples.h"

#include <cstdint>
#include <optional>

#include "base/text.h"
#include "plan/terms.h"

namespace kablate {
namespace {

// The first iteration at which the hashes differ; empty if they don't as long as both logged the same ones.
std::optional<std::int64_t> first_other(const std::vector<TokenHash>& a, const std::vector<TokenHash>& b) {
  for (std::size_t i = 0; i < a.size() && i < b.size() && a[i].iteration == b[i].iteration; ++i)
    if (a[i].tokens != b[i].tokens) return a[i].iteration;
  return {};
}

}  // namespace

std::string other_tokens(const TrialRecord& trial, const TrialRecord& other) {
  const auto terms = term_differences(trial.key_text, other.key_text);
  if (has_kind(terms, TermKind::kMeasured)) return "";
  if (!has_kind(terms, TermKind::kSamples))
    if (const auto iteration = first_other(trial.trained_on, other.trained_on))
      return str("was trained on other samples by iteration ", *iteration);
  auto theirs = other.evaluated_on.begin();  // both by rising iteration
  for (const auto& own : trial.evaluated_on) {
    while (theirs != other.evaluated_on.end() && theirs->iteration < own.iteration) ++theirs;
    if (theirs == other.evaluated_on.end()) break;
    if (own.iteration == theirs->iteration && own.tokens != theirs->tokens)
      return str("was evaluated on other tokens at iteration ", own.iteration);
  }
  return "";
}

std::vector<std::string> sample_faults(const ExperimentRecord& experiment) {
  std::vector<std::string> faults;
  const auto& plan = experiment.plan;
  for (const auto& trial : experiment.trials) {
    const auto* baseline = experiment.find_trial(plan.baseline, trial.planned.seed);
    const auto* step = plan.find_step(trial.planned.step);
    if (baseline == nullptr || step == nullptr || trial.state != TrialState::kDone ||
        baseline->state != TrialState::kDone)
      continue;
    if (const auto what = other_tokens(trial, *baseline); !what.empty())
      faults.push_back(str("step ", step->number, " (", step->name, "), seed ", trial.planned.seed, ", ",
                           what, " than step ", plan.baseline,
                           ", although their configurations say the same"));
  }
  return faults;
}

}  // namespace kablate
