// plan.json: the plan as run, with what each step amounts to by formula.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/direction.h"
#include "base/json.h"
#include "record/layout.h"

namespace kablate {

struct Config;

struct PlannedStep {
  std::int64_t number = 0;
  std::string name;
  std::optional<std::int64_t> rerun_of;
  std::string control;                     // control_name() of what the plan made as a control, else ""
  std::optional<std::int64_t> control_of;  // the arm that it is a control of
  std::optional<std::int64_t> cell;        // of the plan's factorial: bit i is set where factor i is on
  std::optional<std::int64_t> after;       // of a path's stair: the step that it is compared with
  std::string blocked;                     // why it will not be trained; "" if it will
  bool noncausal = false;                  // lets a token see its future, allowed by RA_MLA_ALLOW_NONCAUSAL
  std::int64_t parameters = 0, trained_parameters = 0;
  std::int64_t active_parameters = 0;              // those that a token goes through, where there are experts
  std::optional<std::int64_t> nonzero_parameters;  // once it is trained; of a step that prunes
  std::map<std::string, std::int64_t> parameters_by_part;
  double flops_per_iteration = 0, flops_per_iteration_nanogpt = 0;
  std::int64_t decode_cache_bytes_per_token = 0, decode_cache_bytes_fixed = 0;
  std::int64_t peak_tensor_bytes_expected = 0;
  std::vector<std::string> unused_symbols;
  bool operator==(const PlannedStep&) const = default;

  // The step that it is compared with.
  std::int64_t reference(std::int64_t baseline) const { return after.value_or(baseline); }

  // What a verdict is about: neither a control nor a rerun.
  bool is_arm() const { return control.empty() && !rerun_of; }

  // "baseline", "arm", "control of 2", "rerun of 2"
  std::string role(std::int64_t baseline) const;
};

struct PlannedTrial {
  std::int64_t step = 0, seed = 1;
  std::string folder;  // its name under trials/
  bool operator==(const PlannedTrial&) const = default;
};

// What runs were read from that others have trained (record/imported.h).
struct Import {
  std::string file, sha256;
  Better better = Better::kLess;  // which way their loss is good
  bool operator==(const Import&) const = default;
};

struct PlanRecord {
  std::string name;
  std::string text;  // the plan file
  std::int64_t baseline = 0;
  std::int64_t arms = 0;  // of the whole plan, selected or not; without the baseline
  std::vector<PlannedStep> steps;
  std::vector<std::string> factors;  // the symbols of the plan's factorial, in its order; empty without one
  std::vector<std::string> about;    // the symbols that the plan asks about: its grid's, and those of the
                                     // schedule in which alone a step differs from the baseline
  std::vector<std::string>
      notes;  // on its steps and data, a sentence each: controls not made, NULs in a text
  std::vector<std::int64_t> seeds;
  std::vector<PlannedTrial> trials;
  std::optional<Import> imported =
      {};  // then no trial has a folder, and a step only what the file says of it
  bool operator==(const PlanRecord&) const = default;

  const PlannedStep* find_step(std::int64_t number) const;  // null if it is not selected

  // How many arms verdicts speak of: all that were planned. Leaving some out of a run must not make the
  // others easier to believe.
  std::size_t family() const;
};

// A step with all that its configuration says about it.
PlannedStep describe_step(std::int64_t number, const std::string& name, std::optional<std::int64_t> rerun_of,
                          const Config& config);

// What plan.json has beside the plan: the SHA-256 of base.config.
constexpr const char* kBaseConfigSum = "base_config";

// With the keys of `plan --json` (spec, section 9).
Json to_json(const PlannedStep& step);
Json to_json(const PlanRecord& plan);

// Throws Json::exception where the text is not what to_json writes, std::out_of_range naming a value that no
// plan has.
PlannedStep planned_step_from_json(const Json& json);
PlanRecord plan_from_json(const Json& json);

}  // namespace kablate
