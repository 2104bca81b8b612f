#include "report/report.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "config/config.h"
#include "config/settings.h"
#include "report/noise_floor.h"
#include "report/parts.h"
#include "report/samples.h"

namespace kablate {
namespace {

// The noise floor, if it is this baseline's: what was measured under another configuration says nothing.
std::optional<NoiseFloor> noise_of(const ExperimentFolder& folder, ExperimentRecord& experiment) {
  std::string problem;
  auto noise = read_noise(folder, &problem);
  if (!problem.empty()) experiment.problems.push_back(problem);
  if (!noise) return {};
  std::vector<std::string> baselines;
  for (const auto* trial : finished_trials(experiment, experiment.plan.baseline))
    baselines.push_back(trial->planned.folder);
  return is_floor_of(*noise, folder, baselines) ? noise : std::nullopt;
}

// Steps that must equal another one and don't: pairing or training is broken, and with it every comparison.
void find_faults(Report& report) {
  for (const auto& row : report.rows) {
    if (!row.identical_to.starts_with("no: ")) continue;
    const auto target = row.rerun_of.value_or(report.baseline);
    report.faults.push_back(str(
        "step ", row.step, " (", row.name, ") must equal step ", target, " bit for bit and does not (",
        row.identical_to.substr(4), "): ",
        row.rerun_of ? "what is trained twice comes out differently"
                     : "an arm that does nothing is not its baseline, so trials of one seed are no pairs"));
  }
}

void withhold_verdicts(Report& report) {
  const auto withhold = [](std::optional<Verdict>& verdict) {
    if (verdict) verdict = Verdict{VerdictKind::kWithheld, "withheld", {}};
  };
  for (auto& row : report.rows) {
    withhold(row.verdict);
    for (auto& verdict : row.verdicts) withhold(verdict);
  }
  for (auto& heads : report.heads) withhold(heads.verdict);
}

void describe_import(const PlanRecord& plan, Report& report) {
  const auto& from = *plan.imported;
  const bool more = from.better == Better::kMore;
  report.judged = more ? "value" : "loss", report.better = from.better;
  report.unit = str("the unit of ", from.file, more ? ", more being better" : "");
  report.caution =
      str("Not gated: these runs were imported from ", from.file, " (SHA-256 ", from.sha256.substr(0, 12),
          "…). Nothing of them was trained or checked here: that each arm does what its name says, that no "
          "token sees its future, and that runs of one seed had the same data and the same "
          "initial weights is assumed, not proven.");
}

void append(std::vector<std::string>& notes, const std::vector<std::string>& more) {
  notes.insert(notes.end(), more.begin(), more.end());
}

}  // namespace

const ReportRow* Report::find_row(std::int64_t step) const {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const ReportRow& r) { return r.step == step; });
  return row == rows.end() ? nullptr : &*row;
}

bool Report::has(std::size_t measure) const {
  return std::any_of(rows.begin(), rows.end(),
                     [&](const auto& row) { return row.mean(measure).has_value(); });
}

const std::optional<MeanSd>& ReportRow::mean(std::size_t measure) const {
  static const std::optional<MeanSd> none;
  return measure < means.size() ? means[measure] : none;
}

std::string experiment_name(const Report& report) {
  std::error_code failed;
  auto path = std::filesystem::weakly_canonical(report.folder, failed);
  if (failed) path = std::filesystem::path(report.folder).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).filename().string();
}

Report make_report(const ExperimentFolder& folder) { return make_report(folder, read_plan(folder)); }

Report make_report(const ExperimentFolder& folder, const PlanRecord& plan) {
  auto experiment = read_experiment(folder, plan);
  Report report;
  report.name = plan.name;
  report.folder = folder.path().string();
  report.plan_text = plan.text;
  report.baseline = plan.baseline;
  report.family = plan.family();
  report.judged = measures().front().heading, report.unit = measures().front().unit;
  report.better = measures().front().better;
  if (plan.imported) describe_import(plan, report);
  report.seeds = plan.seeds;
  report.factors = plan.factors;
  for (const auto& step : plan.steps) report.rows.push_back(describe_row(experiment, step));
  append(report.notes, plan_notes(experiment));
  compare_rows(experiment, report.rows, report.notes);
  report.noise = noise_of(folder, experiment);
  std::string problem;
  report.gates = read_audit(folder, &problem);
  if (!problem.empty()) experiment.problems.push_back(problem);
  report.peaks = read_peaks(folder);
  for (std::size_t i = 0; i < report.rows.size(); ++i) {
    auto& row = report.rows[i];
    row.identical_to = identical_to(folder, experiment, plan.steps[i]);
    if (report.noise && row.delta && report.noise->sd > 0)
      row.delta_noise = row.delta->mean / report.noise->difference_sd();
  }
  find_faults(report);
  append(report.faults, sample_faults(experiment));
  report.heads = heads_of_steps(experiment);
  if (!report.faults.empty()) withhold_verdicts(report);
  report.effects = effects_of(experiment);
  report.uses = mechanism_uses(experiment);
  append(report.notes, expert_notes(experiment));
  append(report.notes, statistics_notes(folder, experiment, report));
  append(report.notes, run_notes(experiment, report));
  report.trials = std::move(experiment.trials);
  return report;
}

}  // namespace kablate
