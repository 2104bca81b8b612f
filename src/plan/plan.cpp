#include "plan/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "plan/overrides.h"
#include "plan/plan_file.h"
#include "plan/same_steps.h"
#include "plan/terms.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

using Steps = std::map<std::int64_t, Step>;  // by number

// A step's deltas: those of the step that it reruns, or its own.
const std::vector<Delta>& deltas(const PlanFile& file, const StepFile& step) {
  return step.rerun_of ? file.steps.at(*step.rerun_of).set : step.set;
}

std::string values(const std::vector<Delta>& set) {
  std::string text;
  for (const auto& delta : set) text += str(" ", delta.symbol, "=", delta.value);
  return text;
}

// Grid steps often share their switches; their values tell them apart.
std::string step_name(const Config& config, const PlanFile& file, const StepFile& step) {
  const auto& source = step.rerun_of ? file.steps.at(*step.rerun_of) : step;
  return arm_name(config) + (source.from_grid ? values(source.set) : "");
}

// The switches of a factorial may be such that arm_name() does not tell its cells apart.
void name_cells(Steps& steps, const PlanFile& file) {
  std::set<std::string> names;
  std::size_t cells = 0;
  for (const auto& [number, step] : steps)
    if (step.cell) names.insert(step.name), ++cells;
  if (names.size() == cells) return;
  for (auto& [number, step] : steps)
    if (step.cell) step.name += values(file.steps.at(number).set);
}

// All steps of the file, resolved; validate() is left to the selected ones.
Steps resolve(const Settings& base, const PlanFile& file, const Settle& settle) {
  Steps steps;
  std::map<std::int64_t, std::int64_t> reruns;
  for (const auto& [number, written] : file.steps) {
    Step step;
    step.number = number, step.rerun_of = written.rerun_of, step.cell = written.cell;
    step.after = written.rerun_of ? file.steps.at(*written.rerun_of).after : written.after;
    step.origin = written.origin;
    step.settings = with_deltas(base, deltas(file, written));
    if (settle) step.settings = settle(std::move(step.settings));
    step.config = step.settings.bind();
    step.blocked = blocked_reason(step.config);
    step.name = step_name(step.config, file, written);
    if (step.rerun_of) step.rerun_index = ++reruns[*step.rerun_of];
    steps.emplace(number, std::move(step));
  }
  name_cells(steps, file);
  tell_names_apart(steps, file.baseline);
  return steps;
}

// Numbers of steps and of controls.
std::set<std::int64_t> select(const Settings& base, const PlanFile& file) {
  std::set<std::int64_t> all;
  for (const auto& [number, step] : file.steps) all.insert(number);
  for (const auto& [number, control] : file.controls) all.insert(number);
  const auto& text = base.text("RA_MLA_ABLATION_STEPS");
  if (trim(text).empty()) return all;
  // Without a ladder the configuration's own list of steps
  // has no plan to choose from; one given by hand must fit.
  if (base.text("RA_MLA_ABLATION_MODE") == "n" && !base.origin("RA_MLA_ABLATION_STEPS").starts_with("--"))
    return all;
  const auto what = base.origin("RA_MLA_ABLATION_STEPS") + ": RA_MLA_ABLATION_STEPS";
  const auto wanted = parse_list(text, what, 0);
  for (const auto number : wanted) {
    if (all.contains(number)) continue;
    std::vector<std::string> numbers;
    for (const auto known : all) numbers.push_back(std::to_string(known));
    throw UserError(str(what, " = \"", text, "\": step ", number, " does not exist; plan ", file.name,
                        " has ", join(numbers, ", ")));
  }
  return {wanted.begin(), wanted.end()};
}

void validate_steps(const std::vector<Step>& steps) {
  for (const auto& step : steps) {
    try {
      validate(step.config);
      check_prunes(step.config);
    } catch (const UserError& fault) {
      throw UserError(str("step ", step.number, " (", step.name, "): ", fault.what()));
    }
  }
}

// The arm of which a dead_twin without a list is; empty if every arm is blocked.
std::optional<std::int64_t> largest_arm(const PlanFile& file, const Steps& steps) {
  std::optional<std::int64_t> largest;
  std::string obstacle;
  for (const auto& [number, step] : steps) {
    if (!file.is_arm(number) || !blocked_reason(step.config).empty()) continue;
    if (const auto why = dead_twin_obstacle(step.settings, steps.at(file.baseline).settings); !why.empty())
      obstacle = str("step ", number, " (", step.name, "): ", why);
    else if (!largest || parameter_count(step.config) >= parameter_count(steps.at(*largest).config))
      largest = number;
  }
  if (!largest && !obstacle.empty()) throw UserError("no arm can have one; " + obstacle);
  return largest;
}

// What a matched control is made of, and what it is made to reach.
const Step& model_of(Control kind, const Step& arm, const Step& baseline) {
  return kind == Control::kWider ? arm : baseline;
}
double target_of(Control kind, const Step& arm, const Step& baseline) {
  return matched_amount(kind, (kind == Control::kWider ? baseline : arm).config);
}

void set_matched(Control kind, const Step& arm, const Step& baseline, Step& control) {
  const Step& model = model_of(kind, arm, baseline);
  const double target = target_of(kind, arm, baseline);
  control.match = kind == Control::kShallower ? match_depth(model.config, kind, target)
                                              : match_width(model.config, kind, target);
  control.settings = model.settings;
  control.settings.set("MLP_EXPANSION", control.match->mlp_expansion, control.origin);
  if (control.match->layers == 0) return;
  control.settings.set("GPT2_N_LAYER", std::to_string(control.match->layers), control.origin);
  const auto latent = std::to_string(model.config.attention.latent_dim.at(0));
  control.settings.set("RA_MLA_LATENT_DIM", latent, control.origin);
}

std::string word_of(Control kind) {
  if (kind == Control::kDeadTwin) return "dead twin";
  return kind == Control::kParameters ? "params" : control_name(kind);
}

// Throws if it can't be.
Step make_control(Control kind, const Step& arm, const Step& baseline, const std::string& origin) {
  validate(arm.config);
  validate(baseline.config);
  Step control;
  control.control = kind, control.control_of = arm.number, control.origin = origin;
  if (kind == Control::kDeadTwin) {
    const auto obstacle = dead_twin_obstacle(arm.settings, baseline.settings);
    if (!obstacle.empty()) throw UserError(obstacle);
    control.settings = dead_twin(arm.settings, baseline.settings, origin);
  } else {
    set_matched(kind, arm, baseline, control);
  }
  control.config = control.settings.bind();
  validate(control.config);
  // What a wider arm shares may be what no switch's name says.
  const auto model = kind == Control::kWider ? arm.name : arm_name(control.config);
  control.name = str(model, ", ", word_of(kind), " of ", arm.number);
  return control;
}

// Why no control of the arm is needed, "" if one is.
std::string why_none(Control kind, const Step& arm, const Step& baseline) {
  if (!blocked_reason(arm.config).empty()) return "that arm is blocked";
  if (kind == Control::kDeadTwin) return "";
  const double own = matched_amount(kind, arm.config), theirs = matched_amount(kind, baseline.config);
  const bool of_fewer = kind == Control::kNarrower || kind == Control::kShallower || kind == Control::kWider;
  if (of_fewer && own > theirs) return "that arm has more parameters than the baseline";
  if (!within_tolerance(theirs, own)) return "";
  return str("the baseline's are within ", fixed(100 * kMatchTolerance, 1), " % of that arm's as it is");
}

// The control of this number as a step of the plan, or as a note why there is none.
void add_control(Plan& plan, std::int64_t number, const PlanFile& file, const Steps& steps) {
  const auto& written = file.controls.at(number);
  const Step& baseline = steps.at(file.baseline);
  std::string what = str("step ", number, ", control ", control_name(written.kind));
  try {
    const auto of = written.of ? written.of : largest_arm(file, steps);
    if (of) what += str(" of step ", *of, " (", steps.at(*of).name, ")");
    const auto why = of ? why_none(written.kind, steps.at(*of), baseline) : "every arm is blocked";
    if (!why.empty()) {
      plan.notes.push_back(what + ", is not made: " + why);
      return;
    }
    plan.steps.push_back(make_control(written.kind, steps.at(*of), baseline, written.origin));
    plan.steps.back().number = number;
  } catch (const UserError& fault) {
    throw UserError(str(written.origin, ": ", what, ": ", fault.what(),
                        "; take it out of `controls`, or leave its number out of RA_MLA_ABLATION_STEPS"));
  }
}

// The grid's axes, and the schedule's symbols in which alone a step differs from what it is compared with.
std::vector<std::string> asked_symbols(const Steps& steps, const PlanFile& file) {
  std::set<std::string> about(file.axes.begin(), file.axes.end());
  for (const auto& [number, step] : steps) {
    const auto own = trained_values(step.config),
               reference = trained_values(steps.at(step.reference(file.baseline)).config);
    const auto terms = term_differences(own, reference);
    const bool other = has_kind(terms, TermKind::kMeasured) || has_kind(terms, TermKind::kSamples);
    if (other || terms.size() != training_differences(own, reference).size()) continue;
    for (const auto& term : terms) about.insert(term.symbol);
  }
  return {about.begin(), about.end()};
}

// One line a warm-up, whatever the number of steps that have it.
void add_warmup_notes(Plan& plan) {
  std::map<std::string, std::vector<std::int64_t>> notes;
  for (const auto& step : plan.steps)
    if (const auto note = warmup_note(step.config); !note.empty()) notes[note].push_back(step.number);
  for (const auto& [note, numbers] : notes)
    plan.notes.push_back(str(numbers.size() == plan.steps.size() ? "every step"
                             : numbers.size() == 1               ? str("step ", numbers[0])
                                                                 : "steps " + list_text(numbers),
                             ": ", note));
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

void Plan::block(std::int64_t number, const std::string& reason) {
  for (auto& step : steps)
    if (step.number == number && step.blocked.empty()) step.blocked = reason;
  for (auto& trial : trials)
    if (trial.step == number && trial.blocked.empty()) trial.blocked = reason;
}

Plan make_plan(const Settings& base, const std::filesystem::path& plans_folder, const Settle& settle) {
  const bool ladder = base.text("RA_MLA_ABLATION_MODE") == "y";
  const auto file = ladder ? read_plan_file(plans_folder, base.text("ABLATION_PLAN"),
                                            base.origin("ABLATION_PLAN") + ": ABLATION_PLAN")
                           : single_step();
  Plan plan;
  plan.name = file.name, plan.text = file.text, plan.baseline = file.baseline, plan.factors = file.factors;
  plan.seeds = parse_list(base.text("SEEDS"), base.origin("SEEDS") + ": SEEDS", 1);
  const auto steps = resolve(base, file, settle);
  plan.baseline_config = steps.at(file.baseline).config;
  plan.about = asked_symbols(steps, file);
  for (const auto& [number, step] : steps) plan.arms += !step.rerun_of && number != file.baseline;
  const auto selected = select(base, file);
  for (const auto number : selected)
    if (steps.contains(number)) plan.steps.push_back(steps.at(number));
  validate_steps(plan.steps);
  refuse_other_losses(plan.steps, plan.baseline);
  refuse_same_steps(plan.steps, plan.baseline);
  for (const auto number : selected)
    if (file.controls.contains(number)) add_control(plan, number, file, steps);
  if (plan.steps.empty())
    throw UserError(str(base.origin("RA_MLA_ABLATION_STEPS"), ": RA_MLA_ABLATION_STEPS = \"",
                        base.text("RA_MLA_ABLATION_STEPS"),
                        "\" leaves nothing to train: ", join(plan.notes, "; ")));
  refuse_other_losses(plan.steps, plan.baseline);  // a control may be of an arm that is not selected
  add_warmup_notes(plan);
  plan.step_notes = plan.notes;
  const auto notes = check_overrides(base, plan.steps, steps);
  plan.notes.insert(plan.notes.end(), notes.begin(), notes.end());
  for (const auto seed : plan.seeds)
    for (const auto& step : plan.steps)
      plan.trials.push_back(
          {step.number, step.name, seed, step.rerun_index, step.config, step.blocked, "", ""});
  return plan;
}

std::vector<std::string> terms_notes(const Plan& plan) {
  std::vector<std::string> notes;
  for (const auto& step : plan.steps) {
    const auto* reference = plan.find_step(step.reference(plan.baseline));
    if (reference == nullptr) continue;
    const auto terms = term_differences(trained_values(step.config), trained_values(reference->config));
    if (terms.empty()) continue;
    const std::string whose = step.after ? str("step ", *step.after, "'s") : "the baseline's";
    notes.push_back(
        str("step ", step.number, " (", step.name, ") is not trained on ", whose, " terms: ", text_of(terms),
            are_paired(terms, plan.about)
                ? str("; the plan asks about that, and its samples are ", whose, ": paired by seed")
                : "; its difference is not paired by seed"));
  }
  return notes;
}

void assign_keys(Plan& plan, const KeyContext& context) {
  using Arm = std::pair<std::int64_t, std::string>;  // a planted harm has its baseline's number
  std::map<Arm, KeyTexts> known;
  for (auto& trial : plan.trials) {
    const Arm arm{trial.step, trial.name};
    const auto texts = known.try_emplace(arm, trial.config, trial.step, trial.rerun_index, context).first;
    trial.key_text = texts->second.text(trial.seed);
    trial.key = key_of(trial.key_text);
  }
}

}  // namespace kablate
