// The ablation table, computed from what lies under an experiment's folder and nothing else. Start here in
// report/; render.h prints it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "record/gate_check.h"
#include "record/heads_record.h"
#include "record/measure.h"
#include "record/noise.h"
#include "record/peak.h"
#include "record/reader.h"
#include "report/curves.h"
#include "stats/factorial.h"
#include "stats/paired.h"
#include "stats/sign_flip.h"
#include "stats/verdict.h"

namespace kablate {

// Steps of equal parameters, or FLOPs: an arm and its control, or a control `wider` and the baseline.
struct MatchedPair {
  std::int64_t arm = 0, control = 0;
};

// A step of the plan. Numbers that do not exist are empty. Losses are validation losses at the last
// iteration, in nats a token.
struct ReportRow {
  using Real = std::optional<double>;
  using Integer = std::optional<std::int64_t>;

  std::int64_t step = 0;
  std::string name;
  std::string role;     // "baseline", "arm", "control of 2", "rerun of 2"
  std::string control;  // "parameters", "dead_twin" …, or ""
  Integer control_of;   // the arm
  Integer against;  // of a path's stair the step before, with which it is compared instead of the baseline
  std::size_t seeds = 0;  // finished ones: all means are over them
  std::string status;     // "done", "partial (2 of 3): …", "blocked: …", "diverged", "missing" …
  Integer parameters, active_parameters;
  Integer nonzero_parameters;                // of what was pruned: at the end, the most of any seed
  std::vector<std::optional<MeanSd>> means;  // of measures(), in their order
  std::vector<std::optional<Difference>>
      changes;                      // likewise, to the baseline, or `against`, over the seeds that both have
                                    // finished; empty for what is not compared
  std::optional<Difference> delta;  // the first of them, which all that follows is about
  std::string terms;                // what of that step's terms differs: "GPT2_BATCH_SIZE 8 -> 16", or ""
  Real delta_percent;               // of that step's mean over the same seeds
  std::optional<SignFlip> sign_flip;  // of the same differences, if they are paired
  Real delta_noise;                   // in units of NoiseFloor::difference_sd()
  std::optional<Verdict> verdict;  // of the family's arms, none of whose trials diverged; see Report::faults
  // Likewise of each of measures() that is compared, in a family of its own; the first is `verdict`.
  std::vector<std::optional<Verdict>> verdicts;
  Integer previous;  // another step to compare with: the arm (or baseline) before this arm, by number; of a
                     // stair the baseline, where that is not `against`
  std::optional<Difference> delta_previous;
  std::optional<MatchedPair> matched;        // of a matched control
  std::optional<Difference> versus_control;  // of this pair, the arm minus the control
  std::optional<Worth> worth;                // against the same step as `delta`, as the next two
  std::optional<EqualBudget> equal_flops, equal_time;
  std::vector<ChangePoint> change_curve;  // likewise
  bool times_comparable = false;          // with that step's (pairing.h)
  Real ms_per_iter, tokens_per_s, mfu, mfu_nanogpt, wall_seconds, train_seconds;  // means over seeds
  Real cpu_share;                                                                 // the least of any seed
  std::string time_load;  // which trials' times other load has lengthened: "seed 2 had its core for 60 % …"
  std::string time_hosts;  // "a b": where a mean over times is one over several machines; else empty
  Integer peak_tensor_bytes, peak_resident_bytes, beside;  // the most of any seed
  Integer decode_cache_bytes_per_token, decode_cache_bytes_fixed;
  Real flops_per_iteration;
  std::string threads, device, dtype, pids;  // joined by blanks where seeds differ
  std::optional<std::int64_t> rerun_of;
  // Of a rerun and of a dead twin: the number of the step (the twin's: the baseline) that every seed equals;
  // or "no: seed 1, iteration 40", "no: seed 1, tensor NAME"; "unknown: …". "" for other steps.
  std::string identical_to;
  bool noncausal = false;  // lets a token see its future, allowed by RA_MLA_ALLOW_NONCAUSAL
  bool imported = false;   // trained by others: no gate looked at it

  const std::optional<MeanSd>& mean(std::size_t measure) const;  // of measures(), by number
};

// What a step's mechanisms did at one evaluation, mean over seeds and blocks.
struct MechanismUse {
  std::int64_t step = 0, iteration = 0;
  std::map<std::string, double> values;
};

// What the heads of a step's trials do, of those that `kablate heads` looked at: on sequences of one kind,
// which the steps of a table may have different ones of.
struct StepHeads {
  struct Seed {
    std::int64_t seed = 0;
    HeadScores induction, previous;  // the heads that have most of it
    double loss_difference = 0;      // of the second copies to the first
  };
  std::int64_t step = 0;
  std::string sequences;  // HeadsRecord::sequences_text()
  std::vector<Seed> seeds;
  // Of an arm against the baseline on the same sequences: of the strongest head's induction, over the seeds
  // of which both were looked at; judged as the losses are, more being better.
  std::optional<Difference> change;
  std::optional<Verdict> verdict;

  std::int64_t with_induction() const;  // seeds that have a head above kInductionHead
};

struct Report {
  std::string name, folder;
  std::string plan_text;  // the plan file
  std::int64_t baseline = 0;
  std::size_t family = 0;           // how many arms verdicts speak of (PlanRecord::family)
  std::string judged, unit;         // what the first of measures() is here: "val loss", "nats a token"
  Better better = Better::kLess;    // and which way it is good
  std::string caution;              // of imported runs: what nobody has checked
  std::vector<std::int64_t> seeds;  // planned
  std::vector<ReportRow> rows;
  std::vector<TrialRecord> trials;       // as planned
  std::vector<std::string> notes;        // what a reader must know to judge the table
  std::vector<std::string> faults;       // what proves that the table can't be believed: a twin that is not
                                         // one, other samples than planned. Then no row has a verdict
  std::vector<std::string> factors;      // symbols of a factorial plan, bit 0 first
  std::vector<FactorialEffect> effects;  // of a factorial of which two seeds or more are whole
  std::vector<MechanismUse> uses;        // of each step that has them: the first evaluation, then the last
  std::vector<StepHeads> heads;          // of each step that has them
  std::optional<NoiseFloor> noise;       // of this baseline
  std::vector<GateCheck> gates;          // what the run found before it trained
  std::vector<Peak> peaks;               // what utilisation is against

  const ReportRow* find_row(std::int64_t step) const;  // null if there is none
  bool has(std::size_t measure) const;                 // whether some row has this one of measures()
};

// The name of the report's folder, however its path is spelled.
std::string experiment_name(const Report& report);

Report make_report(const ExperimentFolder& folder);                          // of the plan in plan.json
Report make_report(const ExperimentFolder& folder, const PlanRecord& plan);  // of this one

}  // namespace kablate
