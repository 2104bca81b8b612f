// An experiment in a folder of its own, finished trial by trial, for tests of the report.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "report/report.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate::testing_support {

struct Experiment {
  explicit Experiment(PlanRecord record) : folder(root.path() / "e"), plan(std::move(record)) {
    write_experiment(folder, plan, small_config());
  }
  TrialFolder trial(std::int64_t step, std::int64_t seed) const {
    return folder_of(folder, plan, step, seed);
  }
  TrialSummary done(std::int64_t step, std::int64_t seed, double loss) const {
    return finish(trial(step, seed), step, seed, loss);
  }
  // Finishes a trial again with a changed summary.
  template <typename Change>
  void change(std::int64_t step, std::int64_t seed, Change&& change) const {
    auto summary = *finished(trial(step, seed));
    change(summary);
    finish_again(trial(step, seed), summary);
  }
  // Finishes a trial again with another log.
  void log(std::int64_t step, std::int64_t seed, const std::vector<MetricsRow>& rows) const {
    const auto summary = *finished(trial(step, seed));
    write_log(trial(step, seed), rows);
    finish_again(trial(step, seed), summary);
  }
  // Finishes a trial again with one row more.
  void add_row(std::int64_t step, std::int64_t seed, const MetricsRow& row) const {
    auto rows = rows_of(trial(step, seed));
    rows.push_back(row);
    log(step, seed, rows);
  }
  // Gives a finished trial another key.txt.
  void key(std::int64_t step, std::int64_t seed, const std::string& text) const {
    write_file(trial(step, seed).key(), text);
    change(step, seed, [](TrialSummary&) {});
  }
  // A trial with a validation curve, whose last point is its end.
  void curve(std::int64_t step, std::int64_t seed,
             const std::vector<std::pair<std::int64_t, double>>& points) const {
    done(step, seed, points.back().second);
    std::vector<MetricsRow> rows;
    for (const auto& [iteration, loss] : points)
      rows.push_back(EvaluationRow{.iteration = iteration, .train_loss = loss, .val_loss = loss});
    log(step, seed, rows);
    change(step, seed, [&](TrialSummary& s) { s.iterations = points.back().first; });
  }
  void diverge(std::int64_t step, std::int64_t seed) const {
    write_trial_start(trial(step, seed), small_config(), "", {});
    write_failure(
        trial(step, seed),
        {.status = "diverged", .reason = "loss is nan", .exit_code = {}, .signal = {}, .log_tail = ""});
  }
  Report report() const { return make_report(folder); }

  TemporaryFolder root;
  ExperimentFolder folder;
  PlanRecord plan;
};

// Seeds 1 to n.
inline std::vector<std::int64_t> seeds(std::int64_t n) {
  std::vector<std::int64_t> list;
  for (std::int64_t i = 1; i <= n; ++i) list.push_back(i);
  return list;
}

}  // namespace kablate::testing_support
