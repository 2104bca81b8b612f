// summary.json and failure.json: how a trial ended.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace kablate {

// Numbers that were not measured are empty, never 0; a loss
// that is no number is written null and read back empty.
struct TrialSummary {
  using Integer = std::optional<std::int64_t>;
  using Real = std::optional<double>;

  std::int64_t step = 0;
  std::string name;
  std::int64_t seed = 1, rerun_index = 0;
  std::string key;                                        // all 64 digits
  std::string status = "done";                            // or "diverged"
  std::int64_t iterations = 0;                            // updates made
  Real val_loss, train_loss;                              // at the last iteration, nats a token
  Real val_accuracy, val_macro_accuracy, train_accuracy;  // then, of labels, where data have some
  Real wall_seconds, train_seconds;  // over all attempts; train: without evaluation, saving and start-up
  Real ms_per_iter;                  // median over iterations after the first 10
  Real tokens_per_s, mfu, mfu_nanogpt;
  Real peak_flops;  // FLOP/s of the product that both mfu are against (peak.json)
  Real cpu_share;   // of the time that updates took, what the trial's first thread ran; on a GPU empty
  Integer peak_tensor_bytes, peak_resident_bytes;
  Integer parameters, active_parameters, threads;
  std::vector<std::int64_t> mlp_widths;  // what is left of each layer's, where widths are learned
  // Of each layer's experts the share of choices that it got after the last update; empty without experts.
  std::vector<std::vector<double>> expert_loads;
  // With PRUNE: the part of each prunable map's entries that is 0 at the end, by name, and how many
  // parameters of all are not 0.
  std::map<std::string, double> sparsity;
  Integer nonzero_parameters;
  Integer ranks;  // empty of a trial of before there were any: 1
  Real
      communication_share;  // of the time that updates took, what rank 0 waited for others; empty of one rank
  Integer beside;           // the most other trials of its run that can have run at once
  std::string device, dtype;
  std::string arithmetic;  // measure/arithmetic.h's; "A+B" where it began with A and went on with B
  Integer pid;
  std::string host, started, ended;  // UTC, as 2026-01-31T12:00:00Z
  std::string weights_sha256;        // of weights.safetensors
  std::string metrics_sha256;        // of metrics.jsonl
  std::int64_t interruptions = 0;    // how often it went on from a checkpoint
};

Json to_json(const TrialSummary& summary);

// Throws Json::exception where the text is not what to_json writes, std::out_of_range at a value that can't
// be.
TrialSummary summary_from_json(const Json& json);

// Why the last attempt did not get to the end; removed when the trial is tried again.
struct Failure {
  std::string status = "failed";  // or "diverged"
  std::string reason;
  std::optional<std::int64_t> exit_code, signal;
  std::string log_tail;
};

Json to_json(const Failure& failure);
Failure failure_from_json(const Json& json);  // throws Json::exception

}  // namespace kablate
