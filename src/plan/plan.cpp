#include "plan/plan.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/text.h"
#include "plan/plan_file.h"

namespace kablate {
namespace {

// A step's deltas: those of the step that it reruns, or its own.
const std::vector<Delta>& deltas(const PlanFile& file, const StepFile& step) {
  return step.rerun_of ? file.steps.at(*step.rerun_of).set : step.set;
}

// Grid steps often share their switches; their values tell them apart.
std::string step_name(const Config& config, const PlanFile& file, const StepFile& step) {
  std::string name = arm_name(config);
  const auto& source = step.rerun_of ? file.steps.at(*step.rerun_of) : step;
  if (source.from_grid)
    for (const auto& delta : source.set) name += str(" ", delta.symbol, "=", delta.value);
  return name;
}

// All steps of the file, resolved; validate() is left to the selected ones.
std::vector<Step> resolve(const Settings& base, const PlanFile& file) {
  std::vector<Step> steps;
  std::map<std::int64_t, std::int64_t> reruns;
  for (const auto& [number, written] : file.steps) {
    Step step{.number = number, .name = {}, .settings = base, .config = {}, .rerun_of = written.rerun_of};
    for (const auto& delta : deltas(file, written))
      step.settings.set(delta.symbol, delta.value, delta.origin);
    step.config = step.settings.bind();
    step.name = step_name(step.config, file, written);
    if (step.rerun_of) step.rerun_index = ++reruns[*step.rerun_of];
    steps.push_back(std::move(step));
  }
  return steps;
}

std::vector<Step> select(std::vector<Step> all, const Settings& base, const std::string& plan_name) {
  const auto& text = base.text("RA_MLA_ABLATION_STEPS");
  if (trim(text).empty()) return all;
  // Without a ladder the configuration's own list of steps has no plan to choose from; one given by hand must
  // fit.
  if (base.text("RA_MLA_ABLATION_MODE") == "n" && !base.origin("RA_MLA_ABLATION_STEPS").starts_with("--"))
    return all;
  const auto what = base.origin("RA_MLA_ABLATION_STEPS") + ": RA_MLA_ABLATION_STEPS";
  auto wanted = parse_list(text, what, 0);
  std::sort(wanted.begin(), wanted.end());
  std::vector<Step> chosen;
  for (const auto number : wanted) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const Step& s) { return s.number == number; });
    if (found != all.end()) {
      chosen.push_back(std::move(*found));
      continue;
    }
    std::vector<std::string> numbers;
    for (const auto& step : all) numbers.push_back(std::to_string(step.number));
    throw UserError(str(what, " = \"", text, "\": step ", number, " does not exist; plan ", plan_name,
                        " has ", join(numbers, ", ")));
  }
  return chosen;
}

void validate_steps(const std::vector<Step>& steps) {
  for (const auto& step : steps) {
    try {
      validate(step.config);
    } catch (const UserError& fault) {
      throw UserError(str("step ", step.number, " (", step.name, "): ", fault.what()));
    }
  }
}

PlanFile single_step() {
  PlanFile file;
  file.name = "one step";
  file.text =
      "# RA_MLA_ABLATION_MODE = n: one step, the configuration as it stands\nname: one step\nbaseline: 0\n"
      "steps:\n  0: {set: {}}\n";
  file.steps[0] = {};
  return file;
}

}  // namespace

const Step* Plan::find_step(std::int64_t number) const {
  for (const auto& step : steps)
    if (step.number == number) return &step;
  return nullptr;
}

Plan make_plan(const Settings& base, const std::filesystem::path& plans_folder) {
  const bool ladder = base.text("RA_MLA_ABLATION_MODE") == "y";
  const auto file = ladder ? read_plan_file(plans_folder, base.text("ABLATION_PLAN")) : single_step();
  Plan plan{.name = file.name,
            .text = file.text,
            .baseline = file.baseline,
            .steps = {},
            .seeds = {},
            .trials = {}};
  plan.seeds = parse_list(base.text("SEEDS"), base.origin("SEEDS") + ": SEEDS", 1);
  plan.steps = select(resolve(base, file), base, file.name);
  validate_steps(plan.steps);
  for (const auto seed : plan.seeds)
    for (const auto& step : plan.steps)
      plan.trials.push_back({step.number, step.name, seed, step.rerun_index, step.config, "", ""});
  return plan;
}

void assign_keys(Plan& plan, const KeyContext& context) {
  for (auto& trial : plan.trials) {
    trial.key_text = key_text(trial.config, trial.step, trial.rerun_index, trial.seed, context);
    trial.key = key_of(trial.key_text);
  }
}

}  // namespace kablate
