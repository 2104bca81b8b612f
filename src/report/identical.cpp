// Whether training a step gave the numbers of another one, bit for bit: a rerun those of its target, a dead
// twin those of the baseline.
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "record/metrics.h"
#include "record/tensor_file.h"
#include "report/parts.h"

namespace kablate {
namespace {

using Rows = std::vector<Json>;

Rows log_of(const ExperimentFolder& folder, const TrialRecord& trial) {
  return loss_log(read_metrics(folder.trial(trial.planned.folder).metrics()));
}

// Where two loss logs part: an iteration, or empty if they are equal.
std::optional<std::int64_t> first_difference(const Rows& a, const Rows& b) {
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size() && i < b.size() && a[i] == b[i]) continue;
    const auto& row = i < a.size() ? a[i] : b[i];
    return row["iteration"].get<std::int64_t>();
  }
  return {};
}

// The losses of training and evaluation alone: a twin has mechanisms to report on, the baseline has none.
Rows losses_only(const Rows& rows) {
  Rows kept;
  for (const auto& row : rows) {
    const std::string kind = row.value("kind", "");
    if (kind != "train" && kind != "eval") continue;
    Json losses{{"kind", kind}, {"iteration", row["iteration"]}};
    for (const char* key : {"loss", "train_loss", "val_loss"})
      if (const auto found = row.find(key); found != row.end()) losses[key] = *found;
    kept.push_back(std::move(losses));
  }
  return kept;
}

// "" if a rerun's trial equals its target's, else what differs first.
std::string rerun_difference(const ExperimentFolder& folder, const TrialRecord& a, const TrialRecord& b) {
  const auto log_a = log_of(folder, a), log_b = log_of(folder, b);
  if (const auto iteration = first_difference(log_a, log_b)) return str("iteration ", *iteration);
  if (log_a.empty()) return "no loss log";
  if (a.summary->metrics_sha256 != b.summary->metrics_sha256) return "the loss logs' checksums";
  const auto& sum = a.summary->weights_sha256;
  return sum.empty() || sum != b.summary->weights_sha256 ? "weights" : "";
}

std::string twin_difference(const ExperimentFolder& folder, const TrialRecord& twin,
                            const TrialRecord& baseline) {
  const auto own = losses_only(log_of(folder, twin)), other = losses_only(log_of(folder, baseline));
  if (const auto iteration = first_difference(own, other)) return str("iteration ", *iteration);
  if (own.empty()) return "no loss log";
  try {
    const auto name = first_unequal_tensor(folder.trial(baseline.planned.folder).weights(),
                                           folder.trial(twin.planned.folder).weights());
    return name.empty() ? "" : "tensor " + name;
  } catch (const UserError& fault) {
    return fault.what();
  }
}

}  // namespace

std::string identical_to(const ExperimentFolder& folder, const ExperimentRecord& experiment,
                         const PlannedStep& step) {
  const bool twin = step.control == "dead_twin";
  if (!step.rerun_of && !twin) return "";
  const auto target = twin ? experiment.plan.baseline : *step.rerun_of;
  if (experiment.plan.find_step(target) == nullptr) return str("step ", target, " was not run");
  std::vector<std::string> unfinished;
  for (const auto seed : experiment.plan.seeds) {
    const auto *a = experiment.find_trial(step.number, seed), *b = experiment.find_trial(target, seed);
    if (a == nullptr || b == nullptr || a->state != TrialState::kDone || b->state != TrialState::kDone) {
      unfinished.push_back(std::to_string(seed));
      continue;
    }
    const auto difference = twin ? twin_difference(folder, *a, *b) : rerun_difference(folder, *a, *b);
    if (!difference.empty()) return str("no: seed ", seed, ", ", difference);
  }
  return unfinished.empty() ? std::to_string(target)
                            : str("unknown: seed ", join(unfinished, ", "), " not finished");
}

}  // namespace kablate
