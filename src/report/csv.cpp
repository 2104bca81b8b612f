#include <algorithm>
#include <bit>

#include "base/file.h"
#include "base/text.h"
#include "report/columns.h"
#include "report/page/page.h"
#include "report/render.h"

namespace kablate {
namespace {

using Real = std::optional<double>;
using Delta = std::optional<Difference>;

std::string csv_text(const Real& value) { return value ? shortest(*value) : ""; }
std::string csv_text(const std::optional<std::int64_t>& value) { return value ? std::to_string(*value) : ""; }

struct Cell {
  std::string column;
  std::string text;
};
using Cells = std::vector<Cell>;

template <typename T>
Real mean_of(const std::optional<T>& value) {
  return value ? Real(value->mean) : Real();
}
template <typename T>
Real sd_of(const std::optional<T>& value) {
  return value ? Real(value->sd) : Real();
}
Real low_of(const Delta& delta) { return delta && delta->interval ? Real(delta->interval->low) : Real(); }
Real high_of(const Delta& delta) { return delta && delta->interval ? Real(delta->interval->high) : Real(); }
Real of(const Delta& delta, Real Difference::*field) { return delta ? (*delta).*field : Real(); }

void add(Cells& cells, const Cells& more) { cells.insert(cells.end(), more.begin(), more.end()); }

// Losses; the others only where the data give them.
bool is_in_every_table(std::size_t measure) { return measure < 2; }

// NAME_mean and NAME_sd of one of measures().
Cells mean_cells(const ReportRow& r, std::size_t measure) {
  const auto& name = measures()[measure].name;
  return {{name + "_mean", csv_text(mean_of(r.mean(measure)))},
          {name + "_sd", csv_text(sd_of(r.mean(measure)))}};
}

// The columns of spec, section 9, in its order. The first measure is the one that they are about.
Cells specified_cells(const ReportRow& r) {
  Cells cells{{"step", std::to_string(r.step)},
              {"name", r.name},
              {"seeds", std::to_string(r.seeds)},
              {"status", r.status},
              {"parameters", csv_text(r.parameters)}};
  add(cells, mean_cells(r, 0));
  add(cells, {{"delta_mean", csv_text(mean_of(r.delta))},
              {"delta_ci_low", csv_text(low_of(r.delta))},
              {"delta_ci_high", csv_text(high_of(r.delta))},
              {"ms_per_iter", csv_text(r.ms_per_iter)},
              {"tokens_per_s", csv_text(r.tokens_per_s)},
              {"peak_tensor_bytes", csv_text(r.peak_tensor_bytes)},
              {"decode_cache_bytes_per_token", csv_text(r.decode_cache_bytes_per_token)},
              {"identical_to", r.identical_to}});
  return cells;
}

Cells trial_cells(const ReportRow& r) {
  Cells cells{{"delta_percent", csv_text(r.delta_percent)},
              {"delta_sd", csv_text(sd_of(r.delta))},
              {"delta_seeds", r.delta ? std::to_string(r.delta->n) : ""}};
  for (std::size_t i = 1; i < measures().size(); ++i)
    if (is_in_every_table(i)) add(cells, mean_cells(r, i));
  add(cells, {{"peak_resident_bytes", csv_text(r.peak_resident_bytes)},
              {"decode_cache_bytes_fixed", csv_text(r.decode_cache_bytes_fixed)},
              {"active_parameters", csv_text(r.active_parameters)},
              {"flops_per_iteration", csv_text(r.flops_per_iteration)},
              {"mfu", csv_text(r.mfu)},
              {"mfu_nanogpt", csv_text(r.mfu_nanogpt)},
              {"wall_seconds", csv_text(r.wall_seconds)},
              {"train_seconds", csv_text(r.train_seconds)},
              {"cpu_share", csv_text(r.cpu_share)},
              {"threads", r.threads},
              {"beside", csv_text(r.beside)},
              {"device", r.device},
              {"dtype", r.dtype},
              {"pids", r.pids},
              {"rerun_of", csv_text(r.rerun_of)},
              {"role", r.role},
              {"control", r.control}});
  return cells;
}

Cells test_cells(const ReportRow& r) {
  const HolmResult* holm = r.verdict && r.verdict->holm ? &*r.verdict->holm : nullptr;
  return {{"delta_correlation", csv_text(of(r.delta, &Difference::correlation))},
          {"delta_d", csv_text(of(r.delta, &Difference::effect))},
          {"p_t", csv_text(of(r.delta, &Difference::p))},
          {"p_holm", holm != nullptr ? shortest(holm->adjusted_p) : ""},
          {"holm_level", holm != nullptr ? shortest(holm->level) : ""},
          {"p_sign_flip", r.sign_flip ? shortest(r.sign_flip->p) : ""},
          {"sign_flip_assignments", r.sign_flip ? std::to_string(r.sign_flip->assignments) : ""},
          {"sign_flip_exact", r.sign_flip ? (r.sign_flip->exact ? "y" : "n") : ""},
          {"verdict", r.verdict ? r.verdict->text : ""},
          {"delta_noise", csv_text(r.delta_noise)}};
}

// A further difference: its columns begin with `name`.
Cells delta_cells(const std::string& name, const Delta& delta) {
  return {{name + "_delta", csv_text(mean_of(delta))},
          {name + "_seeds", delta ? std::to_string(delta->n) : ""},
          {name + "_ci_low", csv_text(low_of(delta))},
          {name + "_ci_high", csv_text(high_of(delta))},
          {name + "_p_t", csv_text(of(delta, &Difference::p))}};
}

Cells budget_cells(const std::string& name, const ReportRow& r, const std::optional<EqualBudget>& reading) {
  std::string read;
  if (reading)
    read = reading->treated_read ? str("step ", r.step) : reading->other_read ? "baseline" : "neither";
  Cells cells{{name + "_read", read}, {name + "_iteration", reading ? shortest(reading->iteration) : ""}};
  add(cells, delta_cells(name, reading ? Delta(reading->delta) : Delta()));
  return cells;
}

// Of the measures beside the first two, where some row has them.
Cells change_cells(const ReportRow& r, const Report& report) {
  Cells cells;
  for (std::size_t i = 1; i < measures().size(); ++i) {
    if (!report.has(i)) continue;
    const auto& name = measures()[i].name;
    if (!is_in_every_table(i)) add(cells, mean_cells(r, i));
    if (!measures()[i].compared) continue;
    add(cells, delta_cells(name, i < r.changes.size() ? r.changes[i] : Delta()));
    const auto* verdict = i < r.verdicts.size() && r.verdicts[i] ? &*r.verdicts[i] : nullptr;
    add(cells,
        {{name + "_p_holm", verdict != nullptr && verdict->holm ? shortest(verdict->holm->adjusted_p) : ""},
         {name + "_verdict", verdict == nullptr ? "" : verdict->text}});
  }
  return cells;
}

// On which terms the row stands beside the baseline, and why it has no verdict.
Cells terms_cells(const ReportRow& r, const Report& report) {
  return {{"pairing", r.delta ? (r.delta->paired ? "paired" : "unpaired (Welch)") : ""},
          {"terms", r.terms},
          {"withheld", join(report.faults, "; ")}};
}

bool prunes(const Report& report) {
  return std::any_of(report.rows.begin(), report.rows.end(),
                     [](const auto& row) { return row.nonzero_parameters.has_value(); });
}

Cells cells_of(const ReportRow& r, const Report& report) {
  Cells cells = specified_cells(r);
  add(cells, trial_cells(r));
  add(cells, test_cells(r));
  cells.push_back({"against", csv_text(r.against)});
  cells.push_back({"previous_step", r.delta_previous ? csv_text(r.previous) : ""});
  add(cells, delta_cells("previous", r.delta_previous));
  cells.push_back({"worth_iterations", r.worth ? csv_text(r.worth->iterations) : ""});
  cells.push_back({"worth", r.worth ? r.worth->text : ""});
  cells.push_back({"reaches_baseline_at", r.worth ? csv_text(r.worth->reaches_baseline_at) : ""});
  add(cells, budget_cells("equal_flops", r, r.equal_flops));
  add(cells, budget_cells("equal_time", r, r.equal_time));
  add(cells, delta_cells("versus_control", r.versus_control));
  add(cells, change_cells(r, report));
  add(cells, terms_cells(r, report));
  if (!report.caution.empty()) cells.push_back({"gates", "not gated"});
  if (prunes(report)) cells.push_back({"nonzero_parameters", csv_text(r.nonzero_parameters)});
  return cells;
}

}  // namespace

std::string render_csv(const Report& report) {
  std::vector<std::string> header;
  for (const auto& cell : cells_of(ReportRow{}, report)) header.push_back(cell.column);
  std::string text = csv_line(header);
  for (const auto& row : report.rows) {
    std::vector<std::string> fields;
    for (const auto& cell : cells_of(row, report)) fields.push_back(cell.text);
    text += csv_line(fields);
  }
  return text;
}

std::string render_effects_csv(const Report& report) {
  std::string text =
      csv_line({"effect", "order", "seeds", "mean", "sd", "ci_low", "ci_high", "p_t", "p_holm"});
  for (const auto& effect : report.effects) {
    const Delta e = effect.estimate;
    text += csv_line({effect_name(report, effect.factors), std::to_string(std::popcount(effect.factors)),
                      std::to_string(e->n), shortest(e->mean), csv_text(e->sd), csv_text(low_of(e)),
                      csv_text(high_of(e)), csv_text(e->p), shortest(effect.holm.adjusted_p)});
  }
  return text;
}

void write_report(const ExperimentFolder& folder, const Report& report) {
  write_file_if_changed(folder.report_markdown(), render_markdown(report));
  write_file_if_changed(folder.report_csv(), render_csv(report));
  if (!report.effects.empty()) {
    write_file_if_changed(folder.report_effects(), render_effects_csv(report));
  } else {
    std::error_code ignored;  // of an earlier plan
    std::filesystem::remove(folder.report_effects(), ignored);
  }
  // Last: it is the largest, and where the disk is full the numbers are worth more.
  write_file_if_changed(folder.report_page(), render_page(folder, report));
}

}  // namespace kablate
