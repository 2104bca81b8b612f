#include "report/noise_floor.h"

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "plan/key.h"
#include "record/reader.h"

namespace kablate {

bool is_floor_of(const NoiseFloor& noise, const ExperimentFolder& folder,
                 const std::vector<std::string>& trials) {
  for (const auto& name : trials) {
    const auto trial = folder.trial(name);
    try {
      if (arm_key(read_trial_config(trial).bind(), read_key_text(trial)) == noise.arm) return true;
    } catch (const UserError&) {
      continue;  // damaged, or a configuration of another version of the program: not this baseline's
    }
  }
  return false;
}

std::optional<NoiseFloor> noise_of_trial(const TrialFolder& trial, std::string& problem) {
  std::error_code fault;
  const auto path = std::filesystem::canonical(trial.path(), fault);
  if (fault) return {};
  const ExperimentFolder folder(path.parent_path().parent_path());
  auto noise = read_noise(folder, &problem);
  if (!noise) return {};
  try {
    const PlanRecord plan = read_plan(folder);
    std::vector<std::string> baselines;
    bool planned = false;
    for (const auto& each : plan.trials) {
      planned = planned || each.folder == path.filename();
      if (each.step == plan.baseline && finished(folder.trial(each.folder))) baselines.push_back(each.folder);
    }
    if (planned && is_floor_of(*noise, folder, baselines)) return noise;
    problem = folder.noise().string() + (planned ? ": is of another baseline than the plan's"
                                                 : ": this trial is not of the present plan");
  } catch (const UserError& plan_fault) {
    problem = str(folder.noise().string(), ": whose baseline it is of can't be told: ", plan_fault.what());
  }
  return {};
}

}  // namespace kablate
