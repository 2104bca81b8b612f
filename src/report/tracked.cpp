#include "report/tracked.h"

#include <ctime>

#include <sys/stat.h>

#include "base/error.h"
#include "base/text.h"
#include "record/done.h"

namespace kablate {
namespace {

double seconds_of(const std::string& utc) {  // 2026-01-31T12:00:00Z
  std::tm parts{};
  if (::strptime(utc.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) == nullptr) return 0;
  return static_cast<double>(::timegm(&parts));
}

double began(const TrialFolder& folder, const TrialRecord& record, const std::vector<ScalarRow>& rows) {
  if (record.summary)
    return seconds_of(record.summary->ended) - record.summary->wall_seconds.value_or(rows.back().seconds);
  struct stat status {};
  return ::stat(folder.config().c_str(), &status) == 0 ? static_cast<double>(status.st_mtime) : 0;
}

Json value_of(const Symbol& symbol, const std::string& text) {
  if (symbol.type == SymbolType::kBool) return text == "y";
  if (const auto whole = parse_int(text); whole && symbol.type != SymbolType::kChoice) return *whole;
  if (const auto real = parse_real(text); real && symbol.type != SymbolType::kChoice) return *real;
  return text;
}

}  // namespace

std::optional<TrackedTrial> read_tracked(const ExperimentFolder& folder, const PlanRecord& plan,
                                         const PlannedTrial& planned) {
  const auto name = parse_trial_folder_name(planned.folder);
  const auto* step = plan.find_step(planned.step);
  if (!name || step == nullptr)
    throw UserError(
        str(folder.plan().string(), ": names a trial \"", planned.folder, "\" that it can't have"));
  const TrialFolder trial = folder.trial(planned.folder);
  const TrialRecord record = read_trial(trial);
  if (record.state == TrialState::kDamaged) throw UserError(record.reason);
  auto rows = scalar_rows(read_metrics(trial));
  if (rows.empty()) return {};
  TrackedTrial result{.trial = *name,
                      .role = step->role(plan.baseline),
                      .state = record.state,
                      .began = began(trial, record, rows),
                      .config = {},
                      .changes = {},
                      .defconfig = read_checked(trial, trial.defconfig()),
                      .summary = record.summary,
                      .rows = std::move(rows)};
  const Settings base = read_base_config(folder), own = read_trial_config(trial);
  for (const auto& symbol : symbols()) {
    const auto& text = own.text(symbol.name);
    result.config[symbol.name] = value_of(symbol, text);
    if (text != base.text(symbol.name)) result.changes[symbol.name] = {base.text(symbol.name), text};
  }
  return result;
}

Json to_json(const TrackedTrial& trial) {
  Json changes = Json::object(), rows = Json::array();
  for (const auto& [symbol, texts] : trial.changes) changes[symbol] = texts.second;
  for (const auto& row : trial.rows) {
    Json values = Json::object();
    for (const auto& scalar : row.scalars) values[scalar.name] = scalar.value;
    rows.push_back({{"iteration", row.iteration}, {"seconds", row.seconds}, {"values", values}});
  }
  return {{"id", trial.trial.key},
          {"run", run_name(trial.trial)},
          {"step", trial.trial.step},
          {"name", trial.trial.name},
          {"seed", trial.trial.seed},
          {"role", trial.role},
          {"state", state_name(trial.state)},
          {"began", trial.began},
          {"config", trial.config},
          {"changes", changes},
          {"summary", trial.summary ? to_json(*trial.summary) : Json()},
          {"rows", rows}};
}

}  // namespace kablate
