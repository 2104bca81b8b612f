// Whether training a step again gave the same numbers, bit for bit.
#include <algorithm>

#include "base/text.h"
#include "record/metrics.h"
#include "report/report.h"

namespace kablate {
namespace {

// Where two loss logs part: an iteration, or empty if they are equal.
std::optional<std::int64_t> first_difference(const std::vector<Json>& a, const std::vector<Json>& b) {
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size() && i < b.size() && a[i] == b[i]) continue;
    const auto& row = i < a.size() ? a[i] : b[i];
    return row["iteration"].get<std::int64_t>();
  }
  return {};
}

// "" if the two trials are equal, else what differs first.
std::string trial_difference(const ExperimentFolder& folder, const TrialRecord& a, const TrialRecord& b) {
  const auto log = [&](const TrialRecord& trial) {
    return loss_log(read_metrics(folder.trial(trial.planned.folder).metrics()));
  };
  const auto log_a = log(a), log_b = log(b);
  if (const auto iteration = first_difference(log_a, log_b)) return str("iteration ", *iteration);
  if (log_a.empty()) return "no loss log";
  if (a.summary->metrics_sha256 != b.summary->metrics_sha256) return "the loss logs' checksums";
  const auto& sum = a.summary->weights_sha256;
  return sum.empty() || sum != b.summary->weights_sha256 ? "weights" : "";
}

}  // namespace

std::string compare_rerun(const ExperimentFolder& folder, const ExperimentRecord& experiment,
                          const PlannedStep& rerun) {
  if (!rerun.rerun_of) return "";
  const auto target = *rerun.rerun_of;
  if (experiment.plan.find_step(target) == nullptr) return str("step ", target, " was not run");
  std::vector<std::string> unfinished;
  for (const auto seed : experiment.plan.seeds) {
    const auto *a = experiment.find_trial(rerun.number, seed), *b = experiment.find_trial(target, seed);
    if (a == nullptr || b == nullptr || a->state != TrialState::kDone || b->state != TrialState::kDone) {
      unfinished.push_back(std::to_string(seed));
      continue;
    }
    const auto difference = trial_difference(folder, *a, *b);
    if (!difference.empty()) return str("no: seed ", seed, ", ", difference);
  }
  return unfinished.empty() ? std::to_string(target)
                            : str("unknown: seed ", join(unfinished, ", "), " not finished");
}

}  // namespace kablate
