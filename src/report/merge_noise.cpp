#include "report/merge_noise.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "plan/key.h"
#include "record/noise.h"
#include "record/reader.h"
#include "report/noise_floor.h"

namespace kablate {
namespace {

// A source's floor: the folders of its trials, in the order of its seeds, or why it is not taken.
struct FoundFloor {
  const MergeSource* source;
  NoiseFloor noise;
  std::vector<std::string> trials;
  std::string obstacle;
};

bool is_trial_of(const NoiseFloor& noise, const TrialFolder& trial) {
  try {
    return arm_key(read_trial_config(trial).bind(), read_key_text(trial)) == noise.arm;
  } catch (const UserError&) {
    return false;  // a configuration of another version of the program
  }
}

// The finished trials that it was made from, by seed.
std::map<std::int64_t, std::string> trials_of(const NoiseFloor& noise, const MergeSource& source) {
  std::map<std::int64_t, std::string> found;
  for (const auto& folder : source.folder.trial_folders()) {
    const auto seed = parse_trial_folder_name(folder)->seed;
    const auto place = std::ranges::find(noise.seeds, seed);
    if (place == noise.seeds.end()) continue;
    const auto trial = source.folder.trial(folder);
    const auto summary = finished(trial);
    const bool is_packed = std::ranges::binary_search(source.tree.files, "trials/" + folder + "/DONE");
    if (summary && is_packed && summary->val_loss == noise.val_losses.at(place - noise.seeds.begin()) &&
        is_trial_of(noise, trial))
      found[seed] = folder;
  }
  return found;
}

FoundFloor found_floor(const MergeSource& source, NoiseFloor noise, const PlanRecord& plan,
                       bool of_baseline) {
  FoundFloor floor{&source, std::move(noise), {}, ""};
  const auto& seeds = floor.noise.seeds;
  const auto planned = std::ranges::find_first_of(seeds, plan.seeds);
  if (!of_baseline) floor.obstacle = "it is of no baseline that has ended here";
  if (planned != seeds.end()) floor.obstacle = str("its seed ", *planned, " is planned now, not fresh");
  if (!floor.obstacle.empty()) return floor;
  const auto trials = trials_of(floor.noise, source);
  for (const auto seed : seeds) {
    if (!trials.contains(seed))
      floor.obstacle = str("the trial of its seed ", seed, " is not there");
    else
      floor.trials.push_back(trials.at(seed));
  }
  return floor;
}

std::vector<FoundFloor> found_floors(const std::vector<MergeSource>& sources, const MergedExperiment& merged,
                                     const ExperimentFolder& out) {
  std::vector<std::string> baselines;
  for (const auto& trial : merged.trials)
    if (trial.record.planned.step == merged.plan.baseline && trial.record.state == TrialState::kDone)
      baselines.push_back(trial.record.planned.folder);
  std::vector<FoundFloor> floors;
  for (const auto& source : sources)
    if (auto noise = read_noise(source.folder)) {
      const bool of_baseline = is_floor_of(*noise, out, baselines);
      floors.push_back(found_floor(source, std::move(*noise), merged.plan, of_baseline));
    }
  return floors;
}

void copy_floor(const FoundFloor& floor, const ExperimentFolder& out) {
  for (const auto& name : floor.source->tree.files)
    for (const auto& trial : floor.trials)
      if (name.starts_with("trials/" + trial + "/"))
        copy_below(floor.source->folder.path(), out.path(), name);
  write_noise(out, floor.noise);
}

}  // namespace

void write_merged_noise(const std::vector<MergeSource>& sources, const MergedExperiment& merged,
                        const ExperimentFolder& out) {
  const auto floors = found_floors(sources, merged, out);
  const FoundFloor* most = nullptr;
  for (const auto& floor : floors) {
    if (!floor.obstacle.empty())
      log_warning(str(floor.source->name, ": noise.json is left out: ", floor.obstacle));
    else if (most == nullptr || floor.noise.seeds.size() > most->noise.seeds.size())
      most = &floor;
  }
  if (most == nullptr) return;
  copy_floor(*most, out);
  for (const auto& floor : floors)
    if (floor.obstacle.empty() && !(floor.noise == most->noise))
      log_info(str(floor.source->name, ": noise.json is left out: ", most->source->name,
                   "'s has as many seeds or more"));
}

}  // namespace kablate
