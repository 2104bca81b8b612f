// A plan as written: defconfigs/plans/NAME.yaml, or any file (design, "A plan"). Read strictly: whatever
// would be ignored is an error with file and line.
//
//   plan      ::= name: TEXT, baseline: NUMBER, any of steps, factorial, grid, path, each,
//                 all_but (one at least), controls
//   steps     ::= { NUMBER: {set: {SYMBOL: value, …}} | NUMBER: {rerun_of: NUMBER} }
//   factorial ::= [SYMBOL, …]        of switches: a step for each combination. Step `first + cell` has
//                                    symbol i on where bit i of its cell is set. `first` is 0 if `steps` has
//                                    no number below the number of cells, else one more than the highest of
//                                    `steps`
//   grid      ::= { SYMBOL: [value, …], … }   one step for each combination, the last symbol running fastest,
//                                             numbered on from the highest of the steps so far, or from 0
//   path      ::= [ {SYMBOL: value, …}, … ]   a stair each: the step before it and these deltas; the first is
//                                             of the base. Numbered on as a grid is. A stair and its reruns
//                                             are compared with the step before it, all others with the
//                                             baseline
//   each      ::= [ ITEM, … ]        a step without any of them, and one for each with it alone
//   all_but   ::= [ ITEM, … ]        a step with all of them, and one for each without it alone. Both are
//                                    numbered on as a grid is, and compared with the baseline
//   ITEM      ::= SYMBOL | {SYMBOL: value, …}   SYMBOL, a switch, stands for {SYMBOL: y}. In a step without
//                                    the item its switches are the opposite, its other symbols what the
//                                    configuration has, unless another item of the step gives them
//   controls  ::= [ KIND | {KIND: [NUMBER, …]}, … ]   of every arm, or of these; each KIND once
//   KIND      ::= parameters | flops | narrower | shallower | wider
//                 | dead_twin               without numbers: of the largest arm (plan.h)
//
// A value of MLP_UNSHARE_AT and LORA_FREEZE_BASE_AT may be a share of the step's GPT2_MAX_ITERS, "50%": from
// the first update after so many of a hundred on.
//
// An arm is a step that is neither the baseline nor a rerun. Each control of each arm has a number of its
// own, on from the highest of all steps, in the order of the list and of its arms: a control that turns out
// not to be needed leaves its number unused, so that no number depends on the configuration.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "plan/delta.h"

namespace kablate {

enum class Control { kNone, kParameters, kFlops, kDeadTwin, kNarrower, kShallower, kWider };
std::string control_name(Control control);  // "", "parameters", "dead_twin" …

struct StepFile {
  std::string origin;
  std::vector<Delta> set;                // in the order of the file
  std::optional<std::int64_t> rerun_of;  // then `set` is empty
  bool from_grid = false;
  std::optional<std::int64_t> cell;  // of the factorial: bit i is set where factor i is on
  // Of a stair but the first: the step before it, whose deltas `set` holds.
  std::optional<std::int64_t> after = {};
};

struct ControlFile {
  std::string origin;
  Control kind = Control::kNone;
  std::optional<std::int64_t> of;  // empty: the largest arm, which depends on the configuration
};

struct PlanFile {
  std::string path, text;  // the file and its content
  std::string name;
  std::int64_t baseline = 0;
  std::map<std::int64_t, StepFile> steps;        // by number
  std::map<std::int64_t, ControlFile> controls;  // likewise; all numbers are above those of the steps
  std::vector<std::string> factors;              // the factorial's symbols
  std::vector<std::string> axes;                 // the grid's

  bool is_arm(std::int64_t number) const { return number != baseline && !steps.at(number).rerun_of; }
};

// Reads the plan called `name` in `plans_folder`; or the file `name`, from the current folder, where that has
// a / or ends in .yaml. Throws UserError naming `label` (and the plans there are) if there is none, else file
// and line of: what is no YAML, an unknown or doubled key, symbol or value, a symbol that holds for a whole
// plan (SEEDS, DATASET …), a rerun_of a step that does not exist or is a rerun itself, a baseline that is
// missing, does not exist or is a rerun, a factor or an item that is no switch, items that contradict each
// other, a control of what is no arm.
PlanFile read_plan_file(const std::filesystem::path& plans_folder, const std::string& name,
                        const std::string& label = "ABLATION_PLAN");

// The same from text; `path` is for messages.
PlanFile parse_plan(const std::string& text, const std::string& path);

}  // namespace kablate
