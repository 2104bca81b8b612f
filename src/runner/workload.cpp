#include "runner/workload.h"

#include <algorithm>
#include <map>
#include <string>

#include "config/settings.h"
#include "data/sample_order.h"
#include "measure/machine.h"
#include "plan/key.h"
#include "record/reader.h"
#include "runner/timing.h"
#include "shape/model_shape.h"
#include "train/trial.h"

namespace kablate {
namespace {

TrialKind kind_of(const Config& config, const Dataset& data) {
  const auto windows = [&](Split split, std::int64_t samples) {
    return evaluation_windows(data.num_windows(split, config.gpt.context), samples).size();
  };
  const auto validation = windows(Split::kValidation, config.train.eval_samples);
  const auto train = windows(Split::kTrain, static_cast<std::int64_t>(validation));
  const auto iterations = config.train.max_iters, interval = config.train.eval_interval;
  constexpr double kPasses = 3;  // of an iteration, in forward passes
  TrialKind kind;
  kind.iterations = static_cast<double>(iterations);
  kind.flops = flops_per_iteration(config);
  kind.evaluation_cost =
      static_cast<double>(validation + train) / (kPasses * static_cast<double>(config.global_batch()));
  kind.evaluations = static_cast<double>((iterations + interval - 1) / interval);
  return kind;
}

// Whether its times are those of this machine and of one go.
bool tells_time(const TrialSummary& summary) {
  return summary.host == host_name() && summary.train_seconds && summary.wall_seconds &&
         summary.iterations > 0 && summary.interruptions == 0;
}

void add_recorded(TrialKind& kind, const TrialSummary& summary) {
  kind.ms = 1e3 * *summary.train_seconds / static_cast<double>(summary.iterations);
  kind.beside = std::max(0.0, *summary.wall_seconds - *summary.train_seconds);
}

}  // namespace

std::optional<TrialSummary> recorded_like(const ExperimentFolder& folder, const Trial& trial,
                                          std::optional<std::int64_t> rerun_of,
                                          const std::function<bool(const TrialSummary&)>& serves) {
  const auto no_matter = [](const std::string& difference) {
    for (const char* name : {"seed ", "DATA_SEED ", "step ", "rerun "})
      if (difference.starts_with(name)) return true;
    return false;
  };
  for (const auto& name : folder.trial_folders()) {
    const auto parsed = parse_trial_folder_name(name);
    if (!parsed || (parsed->step != trial.step && parsed->step != rerun_of)) continue;
    const auto differences = key_differences(read_key_text(folder.trial(name)), trial.key_text);
    if (!std::all_of(differences.begin(), differences.end(), no_matter)) continue;
    if (auto summary = finished(folder.trial(name)); summary && serves(*summary)) return summary;
  }
  return {};
}

Workload workload_of(const Plan& plan, const Dataset& data, const ExperimentFolder& folder) {
  Workload work;
  std::map<std::string, std::size_t> known;  // trials of one configuration, whatever their step is called
  for (const auto& trial : plan.trials) {
    const auto [place, added] = known.try_emplace(full_dotconfig(trial.config), work.kinds.size());
    work.of_trial.push_back(place->second);
    if (!added) continue;
    work.kinds.push_back(kind_of(trial.config, data));
    work.configs.push_back(&trial.config);
    const auto* step = plan.find_step(trial.step);
    const auto rerun_of = step == nullptr ? std::nullopt : step->rerun_of;
    if (const auto summary = recorded_like(folder, trial, rerun_of, tells_time))
      add_recorded(work.kinds.back(), *summary);
  }
  return work;
}

std::vector<std::size_t> unknown_kinds(const Workload& workload, const std::vector<std::size_t>& trials) {
  std::vector<std::size_t> kinds;
  for (const auto trial : trials) {
    const auto kind = workload.of_trial[trial];
    if (!workload.kinds[kind].ms && std::find(kinds.begin(), kinds.end(), kind) == kinds.end())
      kinds.push_back(kind);
  }
  return kinds;
}

std::int64_t iterations_worth_timing(const Workload& workload, const std::vector<std::size_t>& trials,
                                     std::int64_t parallel) {
  constexpr double kMostShare = 0.02, kMostShareUnseen = 0.05;
  double iterations = 0;
  const bool seen = std::ssize(trials) <= parallel;  // all of them from the start
  for (const auto trial : trials) iterations += workload.kinds[workload.of_trial[trial]].iterations;
  const auto unknown = unknown_kinds(workload, trials);
  bool late = false;
  for (const auto kind : unknown) {
    const auto& train = workload.configs[kind]->train;
    late = late || static_cast<double>(train.log_interval) > 0.05 * static_cast<double>(train.max_iters);
  }
  if (unknown.empty() || (seen && !late)) return 0;
  for (auto timed = kMostTimed; timed >= 1; timed /= 2) {
    const auto taken = static_cast<double>(std::ssize(unknown) * (kTimingWarmup + timed));
    if (taken <= (late ? kMostShareUnseen : kMostShare) * iterations) return timed;
  }
  return 0;
}

void time_kinds(Workload& workload, const std::vector<std::size_t>& kinds, std::int64_t iterations,
                std::int64_t threads, std::int64_t copies, double seconds) {
  std::vector<Config> configs;
  for (const auto kind : kinds) configs.push_back(*workload.configs[kind]);
  const auto times = time_configs(configs, threads, copies, iterations, seconds);
  for (std::size_t i = 0; i < kinds.size(); ++i)
    if (times[i]) workload.kinds[kinds[i]].ms = *times[i];
}

}  // namespace kablate
