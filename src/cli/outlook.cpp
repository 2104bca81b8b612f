#include "cli/outlook.h"

#include <algorithm>

#include "base/error.h"
#include "cli/prepare.h"
#include "measure/cores.h"
#include "measure/machine.h"
#include "record/noise.h"
#include "record/writer.h"
#include "runner/timing.h"
#include "runner/workload.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

constexpr std::int64_t kTimed = 10;  // iterations

// Fills in what needs the data and the number of threads; false without the data.
bool decide_trials(Outlook& outlook, const Config& base, const ExperimentFolder& folder) {
  const c10::Device device = device_of_trials(base);
  const auto threads = known_threads(base, folder, device);
  if (!threads) {
    outlook.undecided = "every trial will run: `run` has not yet chosen the number of threads (THREADS = 0)";
    return true;
  }
  outlook.parallel = parallel_trials(base, *threads, device);
  try {
    const auto data = open_dataset(base, data_folder());
    for (const auto& note : data->notes()) outlook.plan.notes.push_back(note);
    assign_keys(outlook.plan, base, *data, *threads);
  } catch (const UserError& fault) {
    outlook.undecided = std::string("without its data nothing can be trained: ") + fault.what();
    return false;
  }
  const auto& trials = outlook.plan.trials;
  outlook.decisions = decide_all(folder, trials);
  for (std::size_t i = 0; i < outlook.plan.steps.size(); ++i) {
    const auto& step = outlook.plan.steps[i];
    const auto first = std::find_if(outlook.plan.trials.begin(), outlook.plan.trials.end(),
                                    [&](const Trial& trial) { return trial.step == step.number; });
    const auto has_speed = [](const TrialSummary& summary) { return summary.ms_per_iter.has_value(); };
    if (const auto summary = recorded_like(folder, *first, step.rerun_of, has_speed))
      outlook.ms_per_iter[i] = summary->ms_per_iter;
  }
  return true;
}

bool will_run(const Outlook& outlook, std::int64_t step) {
  if (outlook.decisions.empty()) return true;
  for (std::size_t t = 0; t < outlook.decisions.size(); ++t)
    if (outlook.plan.trials[t].step == step && outlook.decisions[t].action == TrialDecision::Action::kRun)
      return true;
  return false;
}

// The steps whose time is asked for: not known, to be trained, and no rerun of one that is here too.
std::vector<std::size_t> steps_to_time(const Outlook& outlook) {
  std::vector<std::size_t> places;
  const auto& steps = outlook.plan.steps;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const bool target_here = steps[i].rerun_of && outlook.plan.find_step(*steps[i].rerun_of) != nullptr;
    if (!outlook.ms_per_iter[i] && !target_here && will_run(outlook, steps[i].number)) places.push_back(i);
  }
  return places;
}

// Whether there is a chance to be done in time, at a speed that a core rarely has for small models.
bool looks_quick(const std::vector<Config>& configs, std::int64_t threads, bool on_cpu) {
  const double speed = on_cpu ? 1e10 * static_cast<double>(threads) : 1e13;
  double work = 0;
  for (const auto& config : configs) work += flops_per_iteration(config) * static_cast<double>(kTimed + 2);
  return work / speed < kQuickSeconds;
}

void time_steps(Outlook& outlook, const Config& base, const ExperimentFolder& folder, Timing timing) {
  const auto places = steps_to_time(outlook);
  if (places.empty()) return;
  const auto device = device_of_trials(base);
  const auto threads = known_threads(base, folder, device).value_or(available_cores());
  const std::int64_t copies = std::min(outlook.parallel, std::ssize(outlook.plan.trials));
  std::vector<Config> configs;
  for (const auto place : places) configs.push_back(outlook.plan.steps[place].config);
  const bool asked = timing == Timing::kAlways;
  if (!asked && !looks_quick(configs, threads, device.is_cpu())) return;
  std::vector<std::optional<double>> times;
  if (asked) {
    for (const auto& config : configs) times.emplace_back(time_config(config, threads, copies, kTimed));
  } else {
    times = time_configs(configs, threads, copies, kTimed, kQuickSeconds);
  }
  for (std::size_t i = 0; i < places.size(); ++i) outlook.ms_per_iter[places[i]] = times[i];
  outlook.measured = std::any_of(times.begin(), times.end(), [](const auto& ms) { return ms.has_value(); });
}

// What is trained again takes as long as the first time.
void copy_to_reruns(Outlook& outlook) {
  const auto& steps = outlook.plan.steps;
  for (std::size_t i = 0; i < steps.size(); ++i)
    for (std::size_t j = 0; j < steps.size() && steps[i].rerun_of; ++j)
      if (steps[j].number == *steps[i].rerun_of && !outlook.ms_per_iter[i])
        outlook.ms_per_iter[i] = outlook.ms_per_iter[j];
}

// arm_key of the baseline; "" where it is not selected or without keys.
std::string baseline_key(const Outlook& outlook) {
  for (const auto& trial : outlook.plan.trials)
    if (trial.step == outlook.plan.baseline && !trial.key_text.empty())
      return arm_key(trial.config, trial.key_text);
  return "";
}

}  // namespace

Outlook make_outlook(const Settings& settings, const ExperimentFolder& folder, Timing timing) {
  const Config base = with_vocabulary(settings).bind();
  Outlook outlook;
  outlook.plan = plan_of(settings);
  outlook.ms_per_iter.resize(outlook.plan.steps.size());
  const bool with_data = decide_trials(outlook, base, folder);
  outlook.record = describe_plan(outlook.plan);
  std::string problem;
  const auto noise = read_noise(folder, &problem);
  if (!problem.empty()) outlook.plan.notes.push_back("the noise floor is not used: " + problem);
  outlook.sensitivity = sensitivity_of(outlook.record, noise, baseline_key(outlook));
  if (timing == Timing::kAlways || (timing == Timing::kIfQuick && with_data))
    time_steps(outlook, base, folder, timing);
  copy_to_reruns(outlook);
  return outlook;
}

std::optional<double> expected_seconds(const Outlook& outlook, std::size_t step) {
  const auto& ms = outlook.ms_per_iter[step];
  if (!ms) return {};
  return *ms / 1e3 * static_cast<double>(outlook.plan.steps[step].config.train.max_iters);
}

std::optional<double> expected_total(const Outlook& outlook) {
  double total = 0;
  for (std::size_t t = 0; t < outlook.plan.trials.size(); ++t) {
    if (!outlook.decisions.empty() && outlook.decisions[t].action != TrialDecision::Action::kRun) continue;
    const auto& steps = outlook.plan.steps;
    const auto step = std::find_if(steps.begin(), steps.end(),
                                   [&](const Step& s) { return s.number == outlook.plan.trials[t].step; });
    const auto seconds = expected_seconds(outlook, static_cast<std::size_t>(step - steps.begin()));
    if (!seconds) return {};
    total += *seconds;
  }
  return total / static_cast<double>(outlook.parallel);
}

}  // namespace kablate
