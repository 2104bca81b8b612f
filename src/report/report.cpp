#include "report/report.h"

#include <algorithm>
#include <set>

#include "base/text.h"

namespace kablate {
namespace {

using Trials = std::vector<const TrialRecord*>;

Trials trials_of(const ExperimentRecord& experiment, std::int64_t step) {
  Trials trials;
  for (const auto seed : experiment.plan.seeds)
    if (const auto* trial = experiment.find_trial(step, seed); trial != nullptr) trials.push_back(trial);
  return trials;
}

Trials done_trials(const ExperimentRecord& experiment, std::int64_t step) {
  auto trials = trials_of(experiment, step);
  std::erase_if(trials, [](const TrialRecord* trial) { return trial->state != TrialState::kDone; });
  return trials;
}

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
  for (const auto* trial : trials)
    if (const std::string text = get(*trial->summary);
        !text.empty() && std::find(texts.begin(), texts.end(), text) == texts.end())
      texts.push_back(text);
  return join(texts, " ");
}

std::string number_text(const std::optional<std::int64_t>& value) {
  return value ? std::to_string(*value) : "";
}

std::string status_of(const PlannedStep& step, const Trials& trials) {
  if (!step.blocked.empty()) return "blocked: " + step.blocked;
  std::map<TrialState, int> counts;
  for (const auto* trial : trials) ++counts[trial->state];
  if (trials.empty()) return state_name(TrialState::kMissing);
  if (counts.size() == 1) return state_name(counts.begin()->first);
  std::vector<std::string> rest;
  for (const auto& [state, count] : counts)
    if (state != TrialState::kDone) rest.push_back(str(count, " ", state_name(state)));
  return str("partial (", counts[TrialState::kDone], " of ", trials.size(), "): ", join(rest, ", "));
}

// Trials of different thread counts add numbers in another order: their difference is not the arm's alone.
bool comparable(const TrialSummary& a, const TrialSummary& b) {
  return a.threads == b.threads && a.device == b.device;
}

void fill_delta(const ExperimentRecord& experiment, ReportRow& row, std::vector<std::string>& notes) {
  std::vector<double> treated, baseline;
  for (const auto* trial : done_trials(experiment, row.step)) {
    const auto* other = experiment.find_trial(experiment.plan.baseline, trial->planned.seed);
    if (other == nullptr || other->state != TrialState::kDone) continue;
    const auto &a = *trial->summary, &b = *other->summary;
    if (!a.val_loss || !b.val_loss) continue;
    if (!comparable(a, b)) {
      notes.push_back(str("Step ", row.step, ", seed ", trial->planned.seed,
                          " is not compared with the baseline: ", number_text(a.threads), " threads on ",
                          a.device, " against ", number_text(b.threads), " on ", b.device, "."));
      continue;
    }
    treated.push_back(*a.val_loss);
    baseline.push_back(*b.val_loss);
  }
  if (treated.empty()) return;
  row.delta = paired_difference(treated, baseline);
  row.delta_percent = percent_of(row.delta->mean, mean_sd(baseline).mean);
}

ReportRow make_row(const ExperimentRecord& experiment, const PlannedStep& step) {
  const auto done = done_trials(experiment, step.number);
  ReportRow row;
  row.step = step.number;
  row.name = step.name;
  row.seeds = done.size();
  row.status = status_of(step, trials_of(experiment, step.number));
  row.parameters = step.parameters;
  row.decode_cache_bytes_per_token = step.decode_cache_bytes_per_token;
  row.decode_cache_bytes_fixed = step.decode_cache_bytes_fixed;
  row.flops_per_iteration = step.flops_per_iteration;
  row.rerun_of = step.rerun_of;
  row.val_loss = mean_over(done, &TrialSummary::val_loss);
  row.train_loss = mean_over(done, &TrialSummary::train_loss);
  row.ms_per_iter = mean_value(done, &TrialSummary::ms_per_iter);
  row.tokens_per_s = mean_value(done, &TrialSummary::tokens_per_s);
  row.mfu = mean_value(done, &TrialSummary::mfu);
  row.mfu_nanogpt = mean_value(done, &TrialSummary::mfu_nanogpt);
  row.wall_seconds = mean_value(done, &TrialSummary::wall_seconds);
  row.train_seconds = mean_value(done, &TrialSummary::train_seconds);
  row.peak_tensor_bytes = most(done, &TrialSummary::peak_tensor_bytes);
  row.peak_resident_bytes = most(done, &TrialSummary::peak_resident_bytes);
  row.beside = most(done, &TrialSummary::beside);
  row.threads = distinct(done, [](const TrialSummary& s) { return number_text(s.threads); });
  row.device = distinct(done, [](const TrialSummary& s) { return s.device; });
  row.dtype = distinct(done, [](const TrialSummary& s) { return s.dtype; });
  row.pids = distinct(done, [](const TrialSummary& s) { return number_text(s.pid); });
  return row;
}

void add_plan_notes(const ExperimentRecord& experiment, std::vector<std::string>& notes) {
  const auto& plan = experiment.plan;
  const auto* baseline = plan.find_step(plan.baseline);
  if (baseline == nullptr)
    notes.push_back(str("The plan's baseline, step ", plan.baseline,
                        ", is not among the selected steps: there is no difference to it."));
  for (const auto& step : plan.steps)
    if (step.noncausal)
      notes.push_back(
          str("Step ", step.number, " (", step.name,
              ") is NOT CAUSAL: RA_MLA_MLP_GATE_POOL = sequence "
              "lets a token see its future, and RA_MLA_ALLOW_NONCAUSAL = y let it be trained. Its loss "
              "says nothing about a language model."));
  const auto seeds = plan.seeds.size();
  std::string seed_note = str(seeds, seeds == 1 ? " seed" : " seeds",
                              " planned; ± is the standard deviation over "
                              "seeds, a difference is paired by seed, its interval is Student's t at 95 %.");
  if (seeds == 1) seed_note += " One seed shows no spread: it says nothing about a difference.";
  if (seeds > 1 && seeds < 8) seed_note += " So few seeds screen; claim with 8 or more.";
  notes.push_back(seed_note);
}

void add_run_notes(const ExperimentRecord& experiment, const std::vector<ReportRow>& rows,
                   std::vector<std::string>& notes) {
  std::set<std::string> threads, devices;
  std::optional<std::int64_t> beside;
  for (const auto& row : rows) {
    if (!row.threads.empty()) threads.insert(row.threads);
    if (!row.device.empty()) devices.insert(row.device + " " + row.dtype);
    beside = std::max(beside, row.beside);
  }
  const auto listed = [](const std::set<std::string>& texts) {
    return join(std::vector<std::string>(texts.begin(), texts.end()), " and ");
  };
  if (!threads.empty())
    notes.push_back(str("A trial ran on ", listed(threads), " thread(s), ", listed(devices), ", with up to ",
                        beside.value_or(0), " other trial(s) beside it; times depend on that."));
  if (!experiment.others.empty())
    notes.push_back(str(experiment.others.size(),
                        " other trial folder(s) lie in trials/, of earlier configurations, "
                        "steps or seeds; they are not in this table."));
  notes.insert(notes.end(), experiment.problems.begin(), experiment.problems.end());
}

}  // namespace

Report make_report(const ExperimentFolder& folder) { return make_report(folder, read_plan(folder)); }

Report make_report(const ExperimentFolder& folder, const PlanRecord& plan) {
  const auto experiment = read_experiment(folder, plan);
  Report report{.name = experiment.plan.name,
                .folder = folder.path().string(),
                .baseline = experiment.plan.baseline,
                .rows = {},
                .trials = experiment.trials,
                .notes = {}};
  add_plan_notes(experiment, report.notes);
  for (const auto& step : experiment.plan.steps) {
    auto row = make_row(experiment, step);
    if (step.number != experiment.plan.baseline) fill_delta(experiment, row, report.notes);
    row.identical_to = compare_rerun(folder, experiment, step);
    report.rows.push_back(std::move(row));
  }
  add_run_notes(experiment, report.rows, report.notes);
  return report;
}

}  // namespace kablate
