// A plan as it will run: the selected steps of a plan file on top of a base configuration, times the seeds.
// Start here in plan/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/settings.h"
#include "plan/control.h"
#include "plan/key.h"

namespace kablate {

struct Step {
  std::int64_t number = 0;
  std::string name;    // from the resolved switches (spec, section 7); a grid's step adds its values, a
                       // control what it is of: "mla, params of 2", "all, dead twin of 3". Of arms that would
                       // share a name all but the first add what they differ in from that one
  std::string origin;  // where it is written: "plans/ra-mla.yaml:7"
  Settings settings;   // the base with the step's deltas
  Config config;       // the same, typed
  std::optional<std::int64_t> rerun_of;
  std::int64_t rerun_index = 0;       // k for the plan's k-th rerun of a step, 0 for what is no rerun
  std::optional<std::int64_t> cell;   // of the factorial: bit i is set where factor i is on
  std::optional<std::int64_t> after;  // of a path's stair and its reruns: the step that it is compared with
  Control control = Control::kNone;
  std::optional<std::int64_t> control_of;  // the arm that it is a control of
  std::optional<Match> match;              // what a control of kind parameters or flops was solved to
  std::string blocked = "";                // why it must not be trained; "" if it may

  // The step that it is compared with.
  std::int64_t reference(std::int64_t baseline) const { return after.value_or(baseline); }
};

// One training run, in a process of its own.
struct Trial {
  std::int64_t step = 0;
  std::string name;  // the step's
  std::int64_t seed = 1;
  std::int64_t rerun_index = 0;
  Config config;
  std::string blocked;        // the step's
  std::string key_text, key;  // empty until assign_keys
};

struct Plan {
  std::string name;
  std::string text;  // of the plan file; of what stands for it where RA_MLA_ABLATION_MODE is n
  std::int64_t baseline = 0;
  Config baseline_config;   // selected or not
  std::int64_t arms = 0;    // of the whole plan: selected or not, neither baseline nor rerun nor control
  std::vector<Step> steps;  // the selected ones, by number
  std::vector<std::string> factors;  // the symbols of its factorial
  std::vector<std::string> about;    // the symbols of its grid, and those of the schedule in which alone a
                                     // step differs from its reference: it asks what they do
  // On the selected steps: controls that were not made, with the reason; warm-ups that outlast the run. `run`
  // adds what is noted of its data.
  std::vector<std::string> step_notes;
  std::vector<std::string> notes;  // these, and what of the base the steps do not use (plan/overrides.h)
  std::vector<std::int64_t> seeds;
  std::vector<Trial> trials;  // seed-major: every step under the first seed, then under the second …

  const Step* find_step(std::int64_t number) const;  // null if it is not selected

  // Blocks a step and its trials, unless there is a reason already. REQUIRES: the step is selected.
  void block(std::int64_t number, const std::string& reason);
};

// What a step's settings come to before they are read: GPT2_VOCAB_SIZE = 0 is a number that only the data
// know.
using Settle = std::function<Settings(Settings)>;

// The plan that a configuration asks for: ABLATION_PLAN of `plans_folder`, its steps RA_MLA_ABLATION_STEPS
// ("" is all), SEEDS. With RA_MLA_ABLATION_MODE = n it is the one step 0, the base itself. --steps and
// --seeds are values of those symbols (Settings::set with the option as origin). A value whose origin begins
// with -- and that reaches no selected step is an error (plan/overrides.h). Throws UserError for a step
// that does not exist, for seeds that are none, for a step that validate() refuses, for one whose loss would
// be measured on other tokens than the table's others (terms.h), for one that trains what another trains and
// is no rerun of it, and for a control that can't be made; the message names the step. Needs no data of
// its own; without `settle` GPT2_VOCAB_SIZE = 0 is refused.
//
// A control's number is selected like any other. None is made, and a note says so, of an arm that is blocked
// or, for parameters and flops, whose own amount is within 0.5 % of the baseline's. A dead_twin without a
// list is of the arm with the most parameters that can have one, the highest number of equals.
Plan make_plan(const Settings& base, const std::filesystem::path& plans_folder, const Settle& settle = {});

// Of each step that is not trained on the terms of what it is compared with: in what they differ, and whether
// its difference is paired all the same.
std::vector<std::string> terms_notes(const Plan& plan);

// Gives every trial its key. REQUIRES: trials of one step and name have one configuration.
void assign_keys(Plan& plan, const KeyContext& context);

}  // namespace kablate
