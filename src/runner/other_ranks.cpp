#include "runner/other_ranks.h"

#include "plan/key.h"
#include "record/claim.h"
#include "record/reader.h"
#include "train/checkpoint.h"

namespace kablate {

std::filesystem::path begun_with_other_ranks(const ExperimentFolder& experiment, const Trial& trial) {
  std::filesystem::path best;
  std::int64_t latest = 0;
  for (const auto& name : experiment.trial_folders()) {
    const auto parsed = parse_trial_folder_name(name);
    if (!parsed || parsed->step != trial.step || parsed->seed != trial.seed) continue;
    const TrialFolder folder = experiment.trial(name);
    const auto iteration = checkpoint_iteration(folder.checkpoint());
    const auto differences = key_differences(read_key_text(folder), trial.key_text);
    if (differences.empty() && iteration > 0) return {};
    const bool ranks_alone = differences.size() == 1 && differences.front().starts_with("ranks ");
    if (!ranks_alone || iteration <= latest || finished(folder) || claim_owner(folder)) continue;
    best = folder.path(), latest = iteration;
  }
  return best;
}

}  // namespace kablate
