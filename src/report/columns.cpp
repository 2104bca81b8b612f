#include "report/columns.h"

#include <algorithm>

#include "base/text.h"

namespace kablate {
namespace {

using Real = std::optional<double>;
using Row = const ReportRow&;

std::string loss_text(const std::optional<MeanSd>& loss) {
  if (!loss) return "";
  return fixed(loss->mean, 4) + (loss->sd ? " ± " + fixed(*loss->sd, 4) : "");
}

std::string change_text(const std::optional<Difference>& delta) {
  return shown(delta, [](const auto& d) { return signed_fixed(d.mean, 4); });
}

std::string range_text(const std::optional<Difference>& delta) {
  return delta ? shown(delta->interval, interval_text) : "";
}

// Beside each difference that is no plain one of pairs: what it is instead, which a line below says in full.
std::string pairing_text(Row r) {
  if (!r.delta) return "";
  return !r.delta->paired ? "unpaired" : r.terms.empty() ? "" : "same samples";
}

std::string holm_text(Row r) {
  return r.verdict && r.verdict->holm ? p_text(r.verdict->holm->adjusted_p) : "";
}

std::string bytes_text(const std::optional<std::int64_t>& bytes) {
  return shown(bytes, [](auto value) { return human_bytes(static_cast<double>(value)); });
}

// Short; what is not equal is said in full below the table.
std::string equals_text(Row row) {
  if (row.identical_to.empty() || equals_its_target(row)) return row.identical_to;
  return row.identical_to.starts_with("no") ? "NO" : "?";
}

std::string budget_text(const std::optional<EqualBudget>& reading) {
  if (!reading) return "";
  const std::string side = reading->treated_read ? "arm" : reading->other_read ? "baseline" : "both";
  return str(signed_fixed(reading->delta.mean, 4), " (", side, " at ", fixed(reading->iteration, 0), ")");
}

auto real(Real ReportRow::*field, int digits) {
  return [field, digits](Row r) { return shown(r.*field, [&](double v) { return fixed(v, digits); }); };
}

// Marked where other load has part in it; a note says more.
auto timed(Real ReportRow::*field, int digits) {
  return [field, digits](Row r) {
    return shown(r.*field, [&](double v) {
      return fixed(v, digits) + (r.time_load.empty() && r.time_hosts.empty() ? "" : "*");
    });
  };
}

auto percent(Real ReportRow::*field) {
  return [field](Row r) { return shown(r.*field, [](double v) { return fixed(100 * v, 2) + " %"; }); };
}

auto of_delta(Real Difference::*field, int digits) {
  return [field, digits](Row r) {
    return r.delta ? shown((*r.delta).*field, [&](double v) { return signed_fixed(v, digits); }) : "";
  };
}

std::string verdict_text(Row r, std::size_t measure) {
  return measure < r.verdicts.size() && r.verdicts[measure] ? r.verdicts[measure]->text : "";
}

Column mean_column(std::size_t measure) {
  return {measures()[measure].heading, false, [measure](Row r) { return loss_text(r.mean(measure)); }};
}

// A measure after the first that is compared.
void add_change_columns(std::size_t measure, std::vector<Column>& columns) {
  const auto change = [measure](Row r) {
    return measure < r.changes.size() ? r.changes[measure] : std::nullopt;
  };
  const auto& heading = measures()[measure].heading;
  columns.push_back({heading + " change", true, [change](Row r) { return change_text(change(r)); }});
  columns.push_back({heading + " 95 % interval", false, [change](Row r) { return range_text(change(r)); }});
  columns.push_back({heading + " verdict", false, [measure](Row r) { return verdict_text(r, measure); }});
}

Column step_column() {
  return {"step", true, [](Row r) { return std::to_string(r.step); }};
}
Column arm_column() { return {"arm", false, arm_text}; }
Column name_column() {
  return {"arm", false, [](Row r) { return r.name; }};
}
Column against_column() {
  return {"to step", true, [](Row r) { return r.against ? std::to_string(*r.against) : ""; }};
}
Column percent_column() {
  return {"%", true,
          [](Row r) { return shown(r.delta_percent, [](double p) { return signed_fixed(p, 2); }); }};
}
// Empty where a token goes through all of them.
Column active_column(int drop = 0) {
  return {"active", true,
          [](Row r) {
            return r.active_parameters == r.parameters ? "" : shown(r.active_parameters, human_count);
          },
          drop};
}
Column gates_column() {
  return {"gates", false, [](Row r) { return r.imported ? "not gated" : ""; }};
}
Column verdict_column() {
  return {"verdict", false, [](Row r) { return r.verdict ? r.verdict->text : ""; }};
}

std::size_t width_of(const TextTable& table) {
  const std::string text = aligned(table);
  std::size_t width = 0;
  for (const auto& line : split(text, '\n')) width = std::max(width, display_width(line));
  return width;
}

}  // namespace

std::string arm_text(Row row) { return row.rerun_of ? str(row.name, " (rerun)") : row.name; }

bool has_target(Row row) { return row.rerun_of || row.control == "dead_twin"; }

bool equals_its_target(Row row) {
  return has_target(row) && !row.identical_to.empty() &&
         row.identical_to.find_first_not_of("0123456789") == std::string::npos;
}

std::vector<Column> terminal_columns() {
  std::vector<Column> columns{
      step_column(),
      name_column(),
      {"params", true, [](Row r) { return shown(r.parameters, human_count); }, 2},
      active_column(2),
      {"not 0", true, [](Row r) { return shown(r.nonzero_parameters, human_count); }, 2},
      mean_column(0),
      against_column(),
      {"change", true, [](Row r) { return change_text(r.delta); }},
      {"95 % interval", true, [](Row r) { return range_text(r.delta); }},  // not text: never broken
      {"pairing", false, pairing_text},
      {"%", true, percent_column().text, 4},
      {"p Holm", true, holm_text, 3},
      verdict_column(),
      gates_column(),
      {"equals", false, equals_text},
  };
  for (std::size_t i = 1; i < measures().size(); ++i) {
    if (!measures()[i].compared) continue;
    const bool first = columns.back().heading == "equals";  // the one that stays as long as can be
    const auto add = [&](Column column, int drop) {
      column.drop = drop;
      columns.push_back(std::move(column));
    };
    std::vector<Column> change;
    add_change_columns(i, change);
    change[1].right = true;  // not text: never broken
    add(mean_column(i), first ? 1 : 8);
    add(change[1], first ? 5 : 9);
    add(change[2], first ? 1 : 8);
  }
  return columns;
}

std::vector<Column> finding_columns() {
  std::vector<Column> columns{step_column(),
                              arm_column(),
                              {"role", false, [](Row r) { return r.role; }},
                              {"seeds", true, [](Row r) { return std::to_string(r.seeds); }},
                              {"status", false, [](Row r) { return r.status; }},
                              {"params", true, [](Row r) { return shown(r.parameters, grouped); }},
                              active_column(),
                              {"not 0", true, [](Row r) { return shown(r.nonzero_parameters, grouped); }}};
  for (std::size_t i = 0; i < measures().size(); ++i) columns.push_back(mean_column(i));
  columns.push_back(against_column());
  columns.push_back({"change", true, [](Row r) { return change_text(r.delta); }});
  columns.push_back({"95 % interval", false, [](Row r) { return range_text(r.delta); }});
  columns.push_back(percent_column());
  columns.push_back({"pairing", false, pairing_text});
  columns.push_back({"not as the baseline", false, [](Row r) { return r.terms; }});
  columns.push_back({"p Holm", true, holm_text});
  columns.push_back(verdict_column());
  columns.push_back(gates_column());
  columns.push_back({"equals", false, [](Row r) { return r.identical_to; }});
  for (std::size_t i = 1; i < measures().size(); ++i)
    if (measures()[i].compared) add_change_columns(i, columns);
  return columns;
}

std::vector<Column> paper_columns() {
  const auto change = [](Row r) {
    const auto range = range_text(r.delta);
    return change_text(r.delta) + (range.empty() ? "" : " " + range);
  };
  std::vector<Column> columns{
      {"arm", false, [](Row r) { return arm_text(r) + (r.noncausal ? " (NOT CAUSAL)" : ""); }},
      {"parameters", true, [](Row r) { return shown(r.parameters, human_count); }},
      mean_column(0),
      against_column(),
      {"change [95 % interval]", true, change},  // not text: never broken
      {"pairing", false, pairing_text},
      {"p Holm", true, holm_text},
      verdict_column(),
      {"seeds", true, [](Row r) { return std::to_string(r.seeds); }},
      {"status", false, [](Row r) { return r.status == "done" ? "" : r.status; }},
      gates_column(),
      {"equals", false, equals_text}};
  for (std::size_t i = 1; i < measures().size(); ++i) {
    if (!measures()[i].compared) continue;
    columns.push_back(mean_column(i));
    add_change_columns(i, columns);
  }
  return columns;
}

std::vector<Column> test_columns() {
  const auto p_of = [](Row r) { return r.delta ? shown(r.delta->p, p_text) : ""; };
  return {
      step_column(),
      name_column(),
      {"pairs", true, [](Row r) { return r.delta ? std::to_string(r.delta->n) : ""; }},
      {"sd", true,
       [](Row r) { return r.delta ? shown(r.delta->sd, [](double v) { return fixed(v, 5); }) : ""; }, 3},
      {"d", true, of_delta(&Difference::effect, 2)},
      {"ρ", true, of_delta(&Difference::correlation, 3)},
      {"p", true, p_of, 2},
      {"p Holm", true, holm_text},
      {"p sign flip", true, [](Row r) { return shown(r.sign_flip, [](auto& s) { return p_text(s.p); }); }},
      {"in noise sd", true, real(&ReportRow::delta_noise, 2), 4},
      {"to step", true, [](Row r) { return r.delta_previous ? std::to_string(*r.previous) : ""; }},
      {"change", true, [](Row r) { return change_text(r.delta_previous); }},
      {"95 % interval", false, [](Row r) { return range_text(r.delta_previous); }, 1}};
}

std::vector<Column> worth_columns() {
  const auto reached = [](Row r) {
    return r.worth ? shown(r.worth->reaches_baseline_at, [](double v) { return fixed(v, 0); }) : "";
  };
  return {step_column(),
          arm_column(),
          {"worth, iterations", false, [](Row r) { return r.worth ? r.worth->text : ""; }},
          {"reaches the baseline at", true, reached},
          {"at equal FLOPs", false, [](Row r) { return budget_text(r.equal_flops); }},
          {"at equal time", false, [](Row r) { return budget_text(r.equal_time); }}};
}

std::vector<Column> cost_columns() {
  return {step_column(),
          arm_column(),
          {"ms/iter", true, timed(&ReportRow::ms_per_iter, 1)},
          {"tokens/s", true, timed(&ReportRow::tokens_per_s, 0)},
          {"FLOPs/iter", true, [](Row r) { return shown(r.flops_per_iteration, human_count); }},
          {"MFU", true, percent(&ReportRow::mfu)},
          {"MFU, nanoGPT's", true, percent(&ReportRow::mfu_nanogpt)},
          {"peak", true, [](Row r) { return bytes_text(r.peak_tensor_bytes); }},
          {"peak resident", true, [](Row r) { return bytes_text(r.peak_resident_bytes); }},
          {"cache/token", true, [](Row r) { return bytes_text(r.decode_cache_bytes_per_token); }}};
}

std::vector<Column> terminal_cost_columns() {
  auto columns = cost_columns();
  columns[1] = name_column();
  for (auto& column : columns)
    column.drop = column.heading == "peak resident" ? 5 : column.heading.starts_with("MFU") ? 4 : 0;
  for (auto& column : worth_columns()) {
    column.drop = column.heading == "at equal time" ? 3 : column.heading == "at equal FLOPs" ? 2 : 0;
    if (column.drop > 0) columns.push_back(std::move(column));
  }
  return columns;
}

TextTable make_table(const Report& report, const std::vector<Column>& columns, std::size_t width) {
  std::vector<Column> kept;
  for (const auto& column : columns)
    if (std::any_of(report.rows.begin(), report.rows.end(),
                    [&](const auto& row) { return !column.text(row).empty(); }))
      kept.push_back(column);
  const auto build = [&] {
    TextTable table;
    table.rows.resize(report.rows.size());
    for (const auto& column : kept) {
      const bool is_judged = column.heading == measures().front().heading;
      table.headings.push_back(is_judged ? report.judged : column.heading);
      table.right.push_back(column.right);
      for (std::size_t i = 0; i < report.rows.size(); ++i)
        table.rows[i].push_back(column.text(report.rows[i]));
    }
    return table;
  };
  auto table = build();
  while (width > 0 && width_of(table) > width) {
    const auto widest = std::max_element(kept.begin(), kept.end(),
                                         [](const auto& a, const auto& b) { return a.drop < b.drop; });
    if (widest == kept.end() || widest->drop == 0) break;
    kept.erase(widest);
    table = build();
  }
  return table;
}

}  // namespace kablate
