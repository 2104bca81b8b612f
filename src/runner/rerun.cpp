#include "runner/rerun.h"

#include <algorithm>

#include "base/text.h"
#include "measure/machine.h"
#include "plan/key.h"
#include "record/environment.h"
#include "train/trial.h"

namespace kablate {
namespace {

// The name that a phrase starts with, as people call the cause.
std::string cause_of(const std::string& phrase) {
  constexpr std::string_view kVariable = "arithmetic.variables.";
  const std::string name = phrase.substr(0, phrase.find_first_of(" :"));
  for (const auto* known : {"sources", "LibTorch", "data", "init", "threads", "ranks", "device", "kernels",
                            "compiler", "flags", "system"})
    if (name == known) return name;
  if (name.starts_with(kVariable)) return name.substr(kVariable.size());
  if (name.starts_with("cpu") || name.starts_with("arithmetic.cpu")) return "CPU";
  if (name.starts_with("arithmetic.gpu")) return "GPU";
  return name.starts_with("arithmetic.") ? "libraries" : "configuration";
}

}  // namespace

std::vector<std::string> Causes::names() const {
  std::vector<std::string> names;
  for (const auto* phrases : {&key, &machine})
    for (const auto& phrase : *phrases)
      if (const auto name = cause_of(phrase); std::find(names.begin(), names.end(), name) == names.end())
        names.push_back(name);
  return names;
}

RerunPlan plan_rerun(const TrialFolder& folder, const Program& program) {
  RerunPlan plan{.stored = read_stored_trial(folder, program), .key_text = "", .causes = {}, .damage = {}};
  plan.key_text = KeysHere(program).text(plan.stored);
  plan.causes.key = key_differences(plan.stored.key_text, plan.key_text);
  const Json here =
      describe_trial_environment(program.source_folder, resolve_device(plan.stored.config.run.device));
  plan.causes.machine = environment_causes(read_environment(folder), here);
  plan.damage = find_damage(folder, plan.stored.summary);
  return plan;
}

RerunResult rerun(const RerunPlan& plan, const Program& program) {
  ScratchFolder scratch;
  const TrialFolder again(scratch.path() / plan.stored.folder.path().lexically_normal().filename());
  RerunResult result;
  const auto compare = [&](std::size_t, const RetrainEnd& end) {
    result.failure = end.failure;
    if (end.summary)
      result.comparison = compare_results(plan.stored.folder, plan.stored.summary, again, *end.summary);
  };
  const Retraining order{again, plan.stored.config, order_again(plan.stored, key_of(plan.key_text), program)};
  result.interrupted = !retrain({order}, /*parallel=*/1, compare);
  if (!result.interrupted && !result.equal()) {
    scratch.keep();
    result.kept = again.path();
  }
  return result;
}

}  // namespace kablate
