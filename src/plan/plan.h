// A plan as it will run: the selected steps of a plan file on top of a base configuration, times the seeds.
// Start here in plan/.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/settings.h"
#include "plan/key.h"

namespace kablate {

struct Step {
  std::int64_t number = 0;
  std::string name;   // from the resolved switches (spec, section 7); a grid's step adds its values
  Settings settings;  // the base with the step's deltas
  Config config;      // the same, typed
  std::optional<std::int64_t> rerun_of;
  std::int64_t rerun_index = 0;  // k for the plan's k-th rerun of a step, 0 for what is no rerun
};

// One training run, in a process of its own.
struct Trial {
  std::int64_t step = 0;
  std::string name;  // the step's
  std::int64_t seed = 1;
  std::int64_t rerun_index = 0;
  Config config;
  std::string key_text, key;  // empty until assign_keys
};

struct Plan {
  std::string name;
  std::string text;  // of the plan file; of what stands for it where RA_MLA_ABLATION_MODE is n
  std::int64_t baseline = 0;
  std::vector<Step> steps;  // the selected ones, by number
  std::vector<std::int64_t> seeds;
  std::vector<Trial> trials;  // seed-major: every step under the first seed, then under the second …

  const Step* find_step(std::int64_t number) const;  // null if it is not selected
};

// The plan that a configuration asks for: ABLATION_PLAN of `plans_folder`, its steps RA_MLA_ABLATION_STEPS
// ("" is all), SEEDS. With RA_MLA_ABLATION_MODE = n it is the one step 0, the base itself. --steps and
// --seeds are values of those symbols (Settings::set with the option as origin). Throws UserError for a step
// that does not exist, for seeds that are none, and for a step that validate() refuses; the message names the
// step. Needs no data.
Plan make_plan(const Settings& base, const std::filesystem::path& plans_folder);

// Gives every trial its key.
void assign_keys(Plan& plan, const KeyContext& context);

}  // namespace kablate
