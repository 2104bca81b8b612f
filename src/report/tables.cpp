// The tables that are not a row a step.
#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include "base/text.h"
#include "report/columns.h"

namespace kablate {
namespace {

std::string two_digits(double value) { return signed_fixed(value, 2); }

std::string named_step(const Report& report, std::int64_t step) {
  const auto* row = report.find_row(step);
  return str(step, " ", row == nullptr ? "" : row->name);
}

// Of an import there is no more to say than what was read.
TextTable without_process(TextTable table, const std::string& judged) {
  const auto columns =
      static_cast<std::size_t>(std::ranges::find(table.headings, "val loss") - table.headings.begin()) + 1;
  table.headings.resize(columns), table.right.resize(columns);
  table.headings.back() = judged;
  for (auto& row : table.rows) row.resize(columns);
  return table;
}

}  // namespace

TextTable control_table(const Report& report) {
  TextTable table{{"arm", "control", "equal in", "pairs", "arm - control", "95 % interval", "d", "p"},
                  {false, false, false, true, true, false, true, true},
                  {}};
  std::vector<const ReportRow*> controls;
  for (const auto& row : report.rows)
    if (row.versus_control) controls.push_back(&row);
  std::ranges::stable_sort(controls, {}, [](const auto* row) { return *row->control_of; });
  for (const auto* row : controls) {
    const auto& d = *row->versus_control;
    table.rows.push_back({named_step(report, row->matched->arm), named_step(report, row->matched->control),
                          row->control == "flops" ? "FLOPs" : "parameters", std::to_string(d.n),
                          signed_fixed(d.mean, 4), shown(d.interval, interval_text),
                          shown(d.effect, two_digits), shown(d.p, p_text)});
  }
  return table;
}

std::string effect_name(const Report& report, std::uint32_t factors) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < report.factors.size(); ++i)
    if ((factors >> i & 1) != 0) names.push_back(report.factors[i]);
  return join(names, " x ");
}

TextTable effect_table(const Report& report) {
  TextTable table{{"effect", "seeds", "change", "95 % interval", "d", "p", "p Holm"},
                  {false, true, true, false, true, true, true},
                  {}};
  for (const auto& effect : report.effects) {
    const auto& e = effect.estimate;
    table.rows.push_back({effect_name(report, effect.factors), std::to_string(e.n), signed_fixed(e.mean, 4),
                          shown(e.interval, interval_text), shown(e.effect, two_digits), shown(e.p, p_text),
                          p_text(effect.holm.adjusted_p)});
  }
  return table;
}

TextTable mechanism_table(const Report& report) {
  std::set<std::string> keys;
  for (const auto& use : report.uses)
    for (const auto& [key, value] : use.values) keys.insert(key);
  TextTable table{{"step", "arm", "iteration"}, {true, false, true}, {}};
  for (auto key : keys) {
    std::replace(key.begin(), key.end(), '_', ' ');
    table.headings.push_back(key);
    table.right.push_back(true);
  }
  for (const auto& use : report.uses) {
    const auto* row = report.find_row(use.step);
    std::vector<std::string> cells{std::to_string(use.step), row == nullptr ? "" : arm_text(*row),
                                   std::to_string(use.iteration)};
    for (const auto& key : keys) {
      const auto found = use.values.find(key);
      cells.push_back(found == use.values.end() ? "" : fixed(found->second, 4));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

TextTable gate_table(const Report& report) {
  TextTable table{{"step", "arm", "passed", "failed"}, {true, false, false, false}, {}};
  for (const auto& row : report.rows) {
    std::vector<std::string> passed, failed;
    for (const auto& gate : report.gates) {
      if (gate.step != row.step) continue;
      if (gate.passed)
        passed.push_back(gate.check);
      else
        failed.push_back(str(gate.check, ": ", gate.detail));
    }
    if (!passed.empty() || !failed.empty())
      table.rows.push_back({std::to_string(row.step), arm_text(row), join(passed, ", "), join(failed, "; ")});
  }
  return table;
}

namespace {

// What the trials of a step came to.
struct StepTrials {
  std::size_t trials = 0;
  std::map<TrialState, std::vector<std::int64_t>> seeds;
  const TrialRecord *least = nullptr, *most = nullptr;  // by loss, of the finished ones
};

std::map<std::int64_t, StepTrials> trials_by_step(const Report& report) {
  std::map<std::int64_t, StepTrials> steps;
  for (const auto& trial : report.trials) {
    auto& step = steps[trial.planned.step];
    ++step.trials;
    step.seeds[trial.state].push_back(trial.planned.seed);
    if (trial.state != TrialState::kDone || !trial.summary->val_loss) continue;
    const auto loss = [](const TrialRecord* one) { return *one->summary->val_loss; };
    if (step.least == nullptr || loss(&trial) < loss(step.least)) step.least = &trial;
    if (step.most == nullptr || loss(&trial) > loss(step.most)) step.most = &trial;
  }
  return steps;
}

}  // namespace

TextTable trial_summary_table(const Report& report) {
  TextTable table{{"step", "arm", "trials", "done", "others, by seed", str("least ", report.judged),
                   "of seed", str("most ", report.judged), "of seed", "wall time, mean"},
                  {true, false, true, true, false, true, true, true, true, true},
                  {}};
  for (const auto& [number, step] : trials_by_step(report)) {
    const auto* row = report.find_row(number);
    std::vector<std::string> others;
    std::size_t done = 0;
    for (const auto& [state, seeds] : step.seeds)
      if (state == TrialState::kDone)
        done = seeds.size();
      else
        others.push_back(str(state_name(state), " ", list_text(seeds)));
    std::vector<std::string> cells{std::to_string(number), row == nullptr ? "" : arm_text(*row),
                                   std::to_string(step.trials), std::to_string(done), join(others, "; ")};
    for (const auto* trial : {step.least, step.most}) {
      cells.push_back(trial == nullptr ? "" : fixed(*trial->summary->val_loss, 6));
      cells.push_back(trial == nullptr ? "" : std::to_string(trial->planned.seed));
    }
    cells.push_back(row == nullptr ? "" : shown(row->wall_seconds, human_duration));
    table.rows.push_back(std::move(cells));
  }
  return table;
}

TextTable trial_table(const Report& report) {
  TextTable table{{"step", "arm", "seed", "state", "val loss", "wall time", "process", "host", "threads",
                   "beside", "went on", "weights", "files"},
                  {true, false, true, false, true, true, true, false, true, true, true, false, false},
                  {}};
  const auto integer = [](const auto& value) {
    return shown(value, [](auto v) { return std::to_string(v); });
  };
  for (const auto& trial : report.trials) {
    const auto& planned = trial.planned;
    const auto* row = report.find_row(planned.step);
    const auto state =
        std::string(state_name(trial.state)) + (trial.reason.empty() ? "" : ": " + trial.reason);
    const auto s = trial.summary.value_or(TrialSummary{});
    table.rows.push_back(
        {std::to_string(planned.step), row == nullptr ? "" : arm_text(*row), std::to_string(planned.seed),
         state, shown(s.val_loss, [](double v) { return fixed(v, 6); }),
         shown(s.wall_seconds, human_duration), integer(s.pid), s.host, integer(s.threads), integer(s.beside),
         trial.summary ? std::to_string(s.interruptions) : "", s.weights_sha256.substr(0, 12),
         report.caution.empty() ? "trials/" + planned.folder : ""});
  }
  return report.caution.empty() ? table : without_process(std::move(table), report.judged);
}

}  // namespace kablate
