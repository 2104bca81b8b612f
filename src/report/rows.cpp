// A row's own numbers: means over its finished trials, and its state.
#include <algorithm>
#include <map>
#include <set>

#include "base/text.h"
#include "report/pairing.h"
#include "report/parts.h"

namespace kablate {
namespace {

using Trials = std::vector<const TrialRecord*>;

// The values that are there of one field over trials.
template <typename T>
std::vector<double> collect(const Trials& trials, std::optional<T> TrialSummary::*field) {
  std::vector<double> values;
  for (const auto* trial : trials)
    if (const auto& value = (*trial->summary).*field) values.push_back(static_cast<double>(*value));
  return values;
}

std::optional<MeanSd> mean_over(const Trials& trials, std::optional<double> TrialSummary::*field) {
  const auto values = collect(trials, field);
  return values.empty() ? std::nullopt : std::optional(mean_sd(values));
}

std::optional<double> mean_value(const Trials& trials, std::optional<double> TrialSummary::*field) {
  const auto mean = mean_over(trials, field);
  return mean ? std::optional(mean->mean) : std::nullopt;
}

std::optional<std::int64_t> most(const Trials& trials, std::optional<std::int64_t> TrialSummary::*field) {
  std::optional<std::int64_t> result;
  for (const auto* trial : trials) result = std::max(result, (*trial->summary).*field);
  return result;
}

// The different texts among trials in the order of the seeds.
template <typename GetText>
std::string distinct(const Trials& trials, GetText&& get) {
  std::vector<std::string> texts;
  std::set<std::string> known{""};
  for (const auto* trial : trials)
    if (std::string text = get(*trial->summary); known.insert(text).second) texts.push_back(std::move(text));
  return join(texts, " ");
}

// Each of a few trials; of many how many there are, and the worst.
std::string loads_text(const Trials& done, const std::vector<std::string>& loads) {
  constexpr std::size_t kMostNamed = 16;
  if (loads.size() <= kMostNamed) return join(loads, ", ");
  const auto worst = std::min_element(done.begin(), done.end(), [](const auto* a, const auto* b) {
    return a->summary->cpu_share.value_or(1) < b->summary->cpu_share.value_or(1);
  });
  return str(loads.size(), " of ", done.size(), " seeds, the worst of which: ", load_of(*(*worst)->summary));
}

std::string number_text(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : "";
}

std::string status_of(const ExperimentRecord& experiment, const PlannedStep& step) {
  if (!step.blocked.empty()) return "blocked: " + step.blocked;
  std::map<TrialState, int> counts;
  int trials = 0;
  for (const auto seed : experiment.plan.seeds)
    if (const auto* trial = experiment.find_trial(step.number, seed)) ++counts[trial->state], ++trials;
  if (trials == 0) return state_name(TrialState::kMissing);
  if (counts.size() == 1) return state_name(counts.begin()->first);
  std::vector<std::string> rest;
  for (const auto& [state, count] : counts)
    if (state != TrialState::kDone) rest.push_back(str(count, " ", state_name(state)));
  return str("partial (", counts[TrialState::kDone], " of ", trials, "): ", join(rest, ", "));
}

// Of an import: 0 is what the file does not say.
void keep_what_is_known(ReportRow& row) {
  row.imported = true;
  const auto drop_zero = [](auto& value) {
    if (value && *value == 0) value.reset();
  };
  drop_zero(row.parameters);
  drop_zero(row.decode_cache_bytes_per_token);
  drop_zero(row.flops_per_iteration);
  row.decode_cache_bytes_fixed.reset();
}

}  // namespace

ReportRow describe_row(const ExperimentRecord& experiment, const PlannedStep& step) {
  const auto done = finished_trials(experiment, step.number);
  ReportRow row;
  row.step = step.number;
  row.name = step.name;
  row.role = step.role(experiment.plan.baseline);
  row.control = step.control, row.control_of = step.control_of;
  row.rerun_of = step.rerun_of;
  row.seeds = done.size();
  row.status = status_of(experiment, step);
  row.parameters = step.parameters;
  row.noncausal = step.noncausal;
  if (step.active_parameters > 0) row.active_parameters = step.active_parameters;
  row.nonzero_parameters = most(done, &TrialSummary::nonzero_parameters);
  row.decode_cache_bytes_per_token = step.decode_cache_bytes_per_token;
  row.decode_cache_bytes_fixed = step.decode_cache_bytes_fixed;
  row.flops_per_iteration = step.flops_per_iteration;
  if (experiment.plan.imported) keep_what_is_known(row);
  for (const auto& measure : measures()) row.means.push_back(mean_over(done, measure.value));
  row.ms_per_iter = mean_value(done, &TrialSummary::ms_per_iter);
  row.tokens_per_s = mean_value(done, &TrialSummary::tokens_per_s);
  row.mfu = mean_value(done, &TrialSummary::mfu);
  row.mfu_nanogpt = mean_value(done, &TrialSummary::mfu_nanogpt);
  row.wall_seconds = mean_value(done, &TrialSummary::wall_seconds);
  row.train_seconds = mean_value(done, &TrialSummary::train_seconds);
  std::vector<std::string> loads;
  for (const auto* trial : done) {
    const auto& share = trial->summary->cpu_share;
    if (share) row.cpu_share = std::min(*share, row.cpu_share.value_or(*share));
    if (auto load = load_of(*trial->summary); !load.empty()) loads.push_back(std::move(load));
  }
  row.time_load = loads_text(done, loads);
  const auto hosts = distinct(done, [](const TrialSummary& s) { return s.host; });
  if (hosts.find(' ') != std::string::npos) row.time_hosts = hosts;
  row.peak_tensor_bytes = most(done, &TrialSummary::peak_tensor_bytes);
  row.peak_resident_bytes = most(done, &TrialSummary::peak_resident_bytes);
  row.beside = most(done, &TrialSummary::beside);
  row.threads = distinct(done, [](const TrialSummary& s) { return number_text(s.threads); });
  row.device = distinct(done, [](const TrialSummary& s) { return s.device; });
  row.dtype = distinct(done, [](const TrialSummary& s) { return s.dtype; });
  row.pids = distinct(done, [](const TrialSummary& s) { return number_text(s.pid); });
  return row;
}

}  // namespace kablate
