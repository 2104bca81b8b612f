// The ablation table, computed from what lies under an experiment's folder and nothing else. Start here in
// report/; render.h prints it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "record/reader.h"
#include "stats/paired.h"

namespace kablate {

// A step of the plan. Numbers that do not exist are empty. Losses are validation losses at the last
// iteration.
struct ReportRow {
  using Real = std::optional<double>;
  using Integer = std::optional<std::int64_t>;

  std::int64_t step = 0;
  std::string name;
  std::size_t seeds = 0;  // finished ones: all means are over them
  std::string status;     // "done", "partial (2 of 3): …", "blocked: …", "diverged", "missing" …
  Integer parameters;
  std::optional<MeanSd> val_loss, train_loss;
  std::optional<PairedDifference> delta;  // to the baseline, over the seeds that both have finished
  Real delta_percent;                     // of the baseline's mean over the same seeds
  Real ms_per_iter, tokens_per_s, mfu, mfu_nanogpt, wall_seconds, train_seconds;  // means over seeds
  Integer peak_tensor_bytes, peak_resident_bytes, beside;                         // the most of any seed
  Integer decode_cache_bytes_per_token, decode_cache_bytes_fixed;
  Real flops_per_iteration;
  std::string threads, device, dtype, pids;  // joined by blanks where seeds differ
  std::optional<std::int64_t> rerun_of;
  std::string identical_to;  // the step's number, "no: seed 1, iteration 40" …, "" without rerun_of
};

struct Report {
  std::string name, folder;
  std::int64_t baseline = 0;
  std::vector<ReportRow> rows;
  std::vector<TrialRecord> trials;  // as planned
  std::vector<std::string> notes;   // what a reader must know to judge the table
};

Report make_report(const ExperimentFolder& folder);                          // of the plan in plan.json
Report make_report(const ExperimentFolder& folder, const PlanRecord& plan);  // of this one

// Whether a rerun's trials equal its target's, as ReportRow::identical_to says it.
std::string compare_rerun(const ExperimentFolder& folder, const ExperimentRecord& experiment,
                          const PlannedStep& rerun);

}  // namespace kablate
