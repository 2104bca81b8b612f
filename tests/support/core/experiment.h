// Builds experiments' folders by hand, as trials would leave them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "record/metrics.h"
#include "record/writer.h"

namespace kablate::testing_support {

inline Config small_config(std::initializer_list<const char*> assignments = {}) {
  auto settings = Settings::defaults();
  for (const auto* assignment : {"GPT2_N_LAYER=2", "GPT2_N_HEAD=2", "GPT2_N_EMBD=8", "GPT2_BLOCK_SIZE=8",
                                 "GPT2_VOCAB_SIZE=16", "RA_MLA_LATENT_DIM=4", "RA_MLA_MLP_GATE_DIM=4"})
    settings.set_assignment(assignment, "test");
  for (const auto* assignment : assignments) settings.set_assignment(assignment, "test");
  return settings.bind();
}

// A ladder of `steps` steps, 0 the baseline, the last `reruns` of them reruns of the step two before.
inline PlanRecord ladder(std::int64_t steps, std::vector<std::int64_t> seeds, std::int64_t reruns = 0) {
  PlanRecord plan;
  plan.name = "ladder";
  plan.text = "name: ladder\n";
  plan.seeds = std::move(seeds);
  for (std::int64_t i = 0; i < steps; ++i) {
    std::optional<std::int64_t> target;
    if (i >= steps - reruns) target = i - 2;
    plan.steps.push_back(describe_step(i, str("arm", target.value_or(i)), target, small_config()));
  }
  for (const auto seed : plan.seeds)
    for (const auto& step : plan.steps)
      plan.trials.push_back(
          {step.number, seed, trial_folder_name({step.number, step.name, seed, "0123456789ab"})});
  return plan;
}

inline TrialFolder folder_of(const ExperimentFolder& folder, const PlanRecord& plan, std::int64_t step,
                             std::int64_t seed) {
  for (const auto& trial : plan.trials)
    if (trial.step == step && trial.seed == seed) return folder.trial(trial.folder);
  throw std::out_of_range("no such trial");
}

// Writes what stands beside summary and metrics in a finished trial's folder; gives the weights' SHA-256.
inline std::string write_results(const TrialFolder& folder, const std::string& weights) {
  write_file(folder.weights(), weights);
  write_file(folder.weights_checksum(), hex(sha256(weights)) + "  weights.safetensors\n");
  write_file(folder.tokenizer(), "{}\n");
  write_file(folder.sample(), "text\n");
  write_file(folder.log(), "");
  return hex(sha256(weights));
}

// Replaces the log of a trial.
inline void write_log(const TrialFolder& folder, const std::vector<MetricsRow>& rows) {
  MetricsLog log(folder);
  for (const auto& row : rows) log.append(row);
}

inline std::vector<MetricsRow> rows_of(const TrialFolder& folder) {
  return parse_metrics(read_text(folder.metrics()));
}

// Finishes a trial again, whose files or summary were changed.
inline void finish_again(const TrialFolder& folder, TrialSummary summary) {
  summary.metrics_sha256 = hex(sha256(read_text(folder.metrics())));
  summary.weights_sha256 = hex(sha256(read_text(folder.weights())));
  finish_trial(folder, summary);
}

// Trains, so to say, one trial: its loss is `loss` at the last iteration.
inline TrialSummary finish(const TrialFolder& folder, std::int64_t step, std::int64_t seed, double loss) {
  write_trial_start(folder, small_config(), "key\n", Json::object());
  write_log(folder, {TrainRow{.iteration = 10, .loss = loss + 1, .ms = 5.0 + static_cast<double>(step)},
                     EvaluationRow{.iteration = 20, .train_loss = loss - 0.1, .val_loss = loss}});
  TrialSummary summary;
  summary.step = step, summary.seed = seed, summary.name = str("arm", step), summary.iterations = 20;
  summary.val_loss = loss, summary.train_loss = loss - 0.1;
  summary.wall_seconds = 12.5, summary.train_seconds = 10, summary.ms_per_iter = 5,
  summary.tokens_per_s = 1000;
  summary.peak_tensor_bytes = 1 << 20, summary.peak_resident_bytes = 1 << 22;
  summary.threads = 1, summary.beside = 1, summary.pid = 1000 + 10 * step + seed;
  summary.device = "cpu", summary.dtype = "float32", summary.host = "here";
  summary.weights_sha256 = write_results(folder, shortest(loss));
  summary.metrics_sha256 = hex(sha256(read_text(folder.metrics())));
  finish_trial(folder, summary);
  return summary;
}

}  // namespace kablate::testing_support
