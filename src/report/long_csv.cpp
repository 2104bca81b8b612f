#include "report/long_csv.h"

#include <set>

#include "base/text.h"
#include "report/table.h"

namespace kablate {
namespace {

std::string shortest_or_nothing(const std::optional<double>& value) { return value ? shortest(*value) : ""; }

std::string term_text(const EvaluationRow& row, const std::string& term) {
  const auto found = row.terms.find(term);
  return found == row.terms.end() ? "" : shortest(found->second);
}

}  // namespace

std::string render_long_csv(const Report& report) {
  std::set<std::string> terms;
  for (const auto& trial : report.trials)
    for (const auto& row : trial.evaluations)
      for (const auto& [term, value] : row.terms) terms.insert(term);
  std::vector<std::string> header{"experiment", "step",   "arm",       "role",       "seed",
                                  "key",        "status", "iteration", "train_loss", "val_loss"};
  header.insert(header.end(), terms.begin(), terms.end());
  std::string text = csv_line(header);
  const auto experiment = experiment_name(report);
  for (const auto& trial : report.trials) {
    const auto* step = report.find_row(trial.planned.step);
    const auto name = parse_trial_folder_name(trial.planned.folder);
    const std::vector<std::string> begin{experiment,
                                         std::to_string(trial.planned.step),
                                         step == nullptr ? "" : step->name,
                                         step == nullptr ? "" : step->role,
                                         std::to_string(trial.planned.seed),
                                         name ? name->key : "",
                                         state_name(trial.state)};
    const auto add = [&](std::vector<std::string> rest) {
      rest.insert(rest.begin(), begin.begin(), begin.end());
      rest.resize(header.size());
      text += csv_line(rest);
    };
    for (const auto& row : trial.evaluations) {
      std::vector<std::string> fields{std::to_string(row.iteration), shortest_or_nothing(row.train_loss),
                                      shortest_or_nothing(row.val_loss)};
      for (const auto& term : terms) fields.push_back(term_text(row, term));
      add(std::move(fields));
    }
    if (trial.evaluations.empty()) add({});
  }
  return text;
}

}  // namespace kablate
