// A plan as written: defconfigs/plans/NAME.yaml (design, "A plan"). Read strictly: whatever would be ignored
// is an error with file and line.
//
//   plan  ::= name: TEXT, baseline: NUMBER, and steps or grid or both
//   steps ::= { NUMBER: {set: {SYMBOL: value, …}} | NUMBER: {rerun_of: NUMBER} }
//   grid  ::= { SYMBOL: [value, …], … }   one step for each combination, the last symbol running fastest,
//                                         numbered on from the highest of `steps`, or from 0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace kablate {

// A value that a step gives to a symbol, and the line that says so ("plans/ra-mla.yaml:7").
struct Delta {
  std::string symbol, value, origin;
};

struct StepFile {
  std::string origin;
  std::vector<Delta> set;                // in the order of the file
  std::optional<std::int64_t> rerun_of;  // then `set` is empty
  bool from_grid = false;
};

struct PlanFile {
  std::string path, text;  // the file and its content
  std::string name;
  std::int64_t baseline = 0;
  std::map<std::int64_t, StepFile> steps;  // by number
};

// Reads the plan called `name` in `plans_folder`. Throws UserError naming ABLATION_PLAN (and the plans there
// are) if there is none, else file and line of: what is no YAML, an unknown or doubled key, symbol or value,
// a symbol that holds for a whole plan (SEEDS, DATASET …), a rerun_of a step that does not exist or is a
// rerun itself, a baseline that is missing, does not exist or is a rerun.
PlanFile read_plan_file(const std::filesystem::path& plans_folder, const std::string& name);

// The same from text; `path` is for messages.
PlanFile parse_plan(const std::string& text, const std::string& path);

}  // namespace kablate
