#include "report/pairing.h"

#include <algorithm>

#include "base/text.h"

namespace kablate {
namespace {

std::string number_text(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : "unknown";
}

}  // namespace

std::vector<const TrialRecord*> finished_trials(const ExperimentRecord& experiment, std::int64_t step) {
  std::vector<const TrialRecord*> trials;
  for (const auto seed : experiment.plan.seeds) {
    const auto* trial = experiment.find_trial(step, seed);
    if (trial != nullptr && trial->state == TrialState::kDone) trials.push_back(trial);
  }
  return trials;
}

bool has_diverged(const ExperimentRecord& experiment, std::int64_t step) {
  return std::any_of(experiment.trials.begin(), experiment.trials.end(), [&](const TrialRecord& trial) {
    return trial.planned.step == step && trial.state == TrialState::kDiverged;
  });
}

bool comparable(const TrialSummary& a, const TrialSummary& b) { return why_not_comparable(a, b).empty(); }

std::string why_not_comparable(const TrialSummary& a, const TrialSummary& b) {
  if (a.threads != b.threads || a.device != b.device)
    return str(number_text(a.threads), " threads on ", a.device, " against ", number_text(b.threads), " on ",
               b.device);
  for (const auto* side : {&a, &b})
    if (side->arithmetic.find('+') != std::string::npos)
      return str("one of them went on with another arithmetic than it began with, on ", side->host);
  if (a.arithmetic == b.arithmetic) return "";
  return str("their arithmetic differs (processor, libraries or the variables that these read), on ", a.host,
             " and on ", b.host, "; `kablate diff` names what does");
}

std::vector<TrialPair> pair_trials(const ExperimentRecord& experiment, std::int64_t treated,
                                   std::int64_t other, std::vector<std::string>* notes) {
  std::vector<TrialPair> pairs;
  for (const auto* trial : finished_trials(experiment, treated)) {
    const auto* partner = experiment.find_trial(other, trial->planned.seed);
    if (partner == nullptr || partner->state != TrialState::kDone) continue;
    const auto &a = *trial->summary, &b = *partner->summary;
    if (!a.val_loss || !b.val_loss) continue;
    if (comparable(a, b)) {
      pairs.push_back({trial, partner});
    } else if (notes != nullptr) {
      const std::string name = other == experiment.plan.baseline ? "the baseline" : str("step ", other);
      notes->push_back(str("Step ", treated, ", seed ", trial->planned.seed, " is not compared with ", name,
                           ": ", why_not_comparable(a, b), "."));
    }
  }
  return pairs;
}

std::vector<double> losses_of(const std::vector<TrialPair>& pairs, const TrialRecord* TrialPair::*side) {
  std::vector<double> losses;
  for (const auto& pair : pairs) losses.push_back(*(pair.*side)->summary->val_loss);
  return losses;
}

std::optional<PairedDifference> difference_of(const std::vector<TrialPair>& pairs) {
  if (pairs.empty()) return {};
  return paired_difference(losses_of(pairs, &TrialPair::treated), losses_of(pairs, &TrialPair::other));
}

}  // namespace kablate
