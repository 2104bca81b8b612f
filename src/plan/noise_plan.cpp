#include "plan/noise_plan.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "plan/overrides.h"

namespace kablate {
namespace {

void add_trials(Plan& plan, const Step& step, const std::vector<std::int64_t>& seeds) {
  plan.steps.push_back(step);
  for (const auto seed : seeds)
    plan.trials.push_back(
        {step.number, step.name, seed, step.rerun_index, step.config, step.blocked, "", ""});
}

Step without_attention(const Step& baseline) {
  Step step = baseline;
  const auto set = [&](const char* symbol, const char* value) {
    step.settings.set(symbol, value, "the planted harm");
  };
  set("GPT2_ATTENTION", "n");
  set("QK_NORM", "n");  // with the queries and keys that it norms, as their rotation
  if (step.config.gpt.positions == Positions::kRotary) set("POSITIONS", "none");
  step.config = step.settings.bind();
  step.name = arm_name(step.config);
  try {
    validate(step.config);
  } catch (const UserError& fault) {
    throw UserError(str("the planted harm is the baseline without attention: ", fault.what()));
  }
  return step;
}

}  // namespace

std::vector<std::int64_t> fresh_seeds(const std::vector<std::int64_t>& planned, std::int64_t count) {
  std::vector<std::int64_t> seeds;
  for (std::int64_t seed = kFirstFreshSeed; std::ssize(seeds) < count; ++seed)
    if (std::find(planned.begin(), planned.end(), seed) == planned.end()) seeds.push_back(seed);
  return seeds;
}

Plan noise_plan(const Settings& base, const std::filesystem::path& plans_folder,
                const std::vector<std::int64_t>& seeds, const std::vector<std::int64_t>& harmed,
                const Settle& settle) {
  Settings all = base;
  all.set("RA_MLA_ABLATION_STEPS", "", "kablate noise");
  const Plan whole = make_plan(all, plans_folder, settle);
  const Step& baseline = *whole.find_step(whole.baseline);
  check_baseline_overrides(all, baseline);
  Plan plan;
  plan.name = whole.name, plan.text = whole.text, plan.seeds = seeds;
  plan.baseline = whole.baseline, plan.baseline_config = baseline.config;
  add_trials(plan, baseline, seeds);
  if (!harmed.empty()) add_trials(plan, without_attention(baseline), harmed);
  return plan;
}

}  // namespace kablate
