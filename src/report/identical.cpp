// Whether training a step gave the numbers of another one, bit for bit: a rerun those of its target, a dead
// twin those of the baseline.
#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "record/done.h"
#include "record/metrics.h"
#include "record/tensor_file.h"
#include "report/pairing.h"
#include "report/parts.h"

namespace kablate {
namespace {

using Rows = std::vector<Json>;

// Where two logs part: an iteration, or empty if they are equal.
std::optional<std::int64_t> first_difference(const Rows& a, const Rows& b) {
  for (std::size_t i = 0; i < std::max(a.size(), b.size()); ++i) {
    if (i < a.size() && i < b.size() && a[i] == b[i]) continue;
    const auto& row = i < a.size() ? a[i] : b[i];
    return row["iteration"].get<std::int64_t>();
  }
  return {};
}

// The losses of training and evaluation alone: a twin has mechanisms to report on, the baseline has none.
Rows losses_only(const std::vector<MetricsRow>& rows) {
  Rows kept;
  for (const auto& row : rows)
    if (Json losses = losses_of(row); !losses.is_null()) kept.push_back(std::move(losses));
  return kept;
}

// What is called equal has a difference of exactly 0: the summaries say so too.
bool equal_ends(const TrialRecord& a, const TrialRecord& b) {
  return std::all_of(measures().begin(), measures().end(), [&](const Measure& measure) {
    return (*a.summary).*measure.value == (*b.summary).*measure.value;
  });
}

// "" if a rerun's trial equals its target's, else what differs first.
std::string rerun_difference(const TrialFolder& rerun, const TrialRecord& a, const TrialFolder& target,
                             const TrialRecord& b) {
  const auto log_a = loss_log(read_metrics(rerun)), log_b = loss_log(read_metrics(target));
  if (const auto iteration = first_difference(log_a, log_b)) return str("iteration ", *iteration);
  if (log_a.empty()) return "no loss log";
  if (!equal_ends(a, b)) return "the final losses of the summaries";
  const auto& sum = a.summary->weights_sha256;
  return sum.empty() || sum != b.summary->weights_sha256 ? "weights" : "";
}

// Likewise of a twin and its baseline. Throws UserError if weights can't be read.
std::string twin_difference(const TrialFolder& twin, const TrialRecord& a, const TrialFolder& baseline,
                            const TrialRecord& b) {
  const auto own = losses_only(read_metrics(twin)), other = losses_only(read_metrics(baseline));
  if (const auto iteration = first_difference(own, other)) return str("iteration ", *iteration);
  if (own.empty()) return "no loss log";
  if (!equal_ends(a, b)) return "the final losses of the summaries";
  for (const auto* folder : {&twin, &baseline}) check_file(*folder, folder->weights());
  const auto name = first_unequal_tensor(baseline.weights(), twin.weights());
  return name.empty() ? "" : "tensor " + name;
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
    const auto own = folder.trial(a->planned.folder), other = folder.trial(b->planned.folder);
    try {
      const auto difference =
          twin ? twin_difference(own, *a, other, *b) : rerun_difference(own, *a, other, *b);
      if (difference.empty()) continue;
      if (const auto why = why_not_comparable(*a->summary, *b->summary); !why.empty())
        return str("unknown: seed ", seed, ", ", difference, "; but ", why);
      return str("no: seed ", seed, ", ", difference);
    } catch (const UserError& fault) {
      return str("unknown: seed ", seed, ", ", fault.what());
    }
  }
  return unfinished.empty() ? std::to_string(target)
                            : str("unknown: seed ", join(unfinished, ", "), " not finished");
}

}  // namespace kablate
