#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/prepare.h"
#include "cli/sensitivity.h"
#include "measure/cores.h"
#include "measure/machine.h"
#include "record/noise.h"
#include "record/reader.h"
#include "record/writer.h"
#include "report/render.h"
#include "runner/runner.h"
#include "runner/timing.h"

namespace kablate {
namespace {

struct PlanCommand {
  PlanOptions options;
  bool json = false, measure = false;
};

// All that is known before anything is trained. Decisions are empty where data or threads are not known yet.
struct Outlook {
  Plan plan;
  PlanRecord record;
  std::vector<std::optional<double>> ms_per_iter;  // a step each
  std::vector<TrialDecision> decisions;            // a trial each
  std::int64_t parallel = 1;
  std::string undecided;  // why there are no decisions
  Sensitivity sensitivity;
};

// The recorded speed of a trial that differs from this one in nothing but the seed.
std::optional<double> recorded_ms(const ExperimentFolder& folder, const Trial& trial) {
  const auto only_seed = [](const std::string& difference) {
    return difference.starts_with("seed ") || difference.starts_with("DATA_SEED ");
  };
  for (const auto& name : folder.trial_folders()) {
    const auto parsed = parse_trial_folder_name(name);
    if (!parsed || parsed->step != trial.step) continue;
    const auto differences = key_differences(read_key_text(folder.trial(name)), trial.key_text);
    if (!std::all_of(differences.begin(), differences.end(), only_seed)) continue;
    if (const auto summary = finished(folder.trial(name)); summary && summary->ms_per_iter)
      return summary->ms_per_iter;
  }
  return {};
}

// Fills in what needs the data and the number of threads.
void decide_trials(Outlook& outlook, const Config& base, const ExperimentFolder& folder) {
  const c10::Device device = device_of_trials(base);
  const auto threads = known_threads(base, folder, device);
  if (!threads) {
    outlook.undecided = "every trial will run: `run` has not yet chosen the number of threads (THREADS = 0)";
    return;
  }
  outlook.parallel = parallel_trials(base, *threads, available_cores(), device.is_cpu());
  try {
    assign_keys(outlook.plan, base, *open_dataset(base, data_folder()), *threads);
  } catch (const UserError& fault) {
    outlook.undecided = std::string("without its data nothing can be trained: ") + fault.what();
    return;
  }
  for (const auto& trial : outlook.plan.trials) outlook.decisions.push_back(decide(folder, trial));
  for (std::size_t i = 0; i < outlook.plan.steps.size(); ++i) {
    const auto first =
        std::find_if(outlook.plan.trials.begin(), outlook.plan.trials.end(),
                     [&](const Trial& trial) { return trial.step == outlook.plan.steps[i].number; });
    outlook.ms_per_iter[i] = recorded_ms(folder, *first);
  }
}

void measure_steps(Outlook& outlook, const Config& base, const ExperimentFolder& folder) {
  const std::int64_t threads =
      known_threads(base, folder, resolve_device(base.run.device)).value_or(available_cores());
  const std::int64_t copies = std::min(outlook.parallel, std::ssize(outlook.plan.trials));
  for (std::size_t i = 0; i < outlook.plan.steps.size(); ++i)
    outlook.ms_per_iter[i] = time_config(outlook.plan.steps[i].config, threads, copies, /*iterations=*/10);
}

std::optional<double> expected_seconds(const Outlook& outlook, std::size_t step) {
  const auto& ms = outlook.ms_per_iter[step];
  if (!ms) return {};
  return *ms / 1e3 * static_cast<double>(outlook.plan.steps[step].config.train.max_iters);
}

// Of all trials that will run; empty if one of them is not known.
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

// arm_key of the baseline; "" where it is not selected or without keys.
std::string baseline_key(const Outlook& outlook) {
  for (const auto& trial : outlook.plan.trials)
    if (trial.step == outlook.plan.baseline && !trial.key_text.empty())
      return arm_key(trial.config, trial.key_text);
  return "";
}

const char* action_name(TrialDecision::Action action) {
  constexpr const char* kNames[] = {"skip", "run", "blocked"};
  return kNames[static_cast<int>(action)];
}

Json match_json(const std::optional<Match>& match) {
  if (!match) return nullptr;
  return {{"MLP_EXPANSION", match->mlp_expansion},
          {"mlp_width", match->width},
          {"target", match->target},
          {"reached", match->reached},
          {"deviation_percent", 100 * match->deviation()}};
}

Json to_json(const Outlook& outlook) {
  Json json = to_json(outlook.record);
  for (std::size_t i = 0; i < outlook.plan.steps.size(); ++i) {
    const auto seconds = expected_seconds(outlook, i);
    auto& step = json["steps"][i];
    step["expected_seconds_per_trial"] = seconds ? Json(*seconds) : Json("unknown");
    step["peak_tensor_bytes"] = outlook.record.steps[i].peak_tensor_bytes_expected;
    step["role"] = outlook.record.steps[i].role(outlook.record.baseline);
    step["match"] = match_json(outlook.plan.steps[i].match);
  }
  json["notes"] = outlook.plan.notes;
  json.update(to_json(outlook.sensitivity));
  if (outlook.decisions.empty())  // no keys, no folders
    for (auto& trial : json["trials"]) trial.erase("folder");
  for (std::size_t t = 0; t < outlook.decisions.size(); ++t) {
    json["trials"][t]["action"] = action_name(outlook.decisions[t].action);
    json["trials"][t]["reason"] = outlook.decisions[t].reason;
  }
  const auto total = expected_total(outlook);
  json["expected_seconds"] = total ? Json(*total) : Json("unknown");
  if (!outlook.undecided.empty()) json["undecided"] = outlook.undecided;
  return json;
}

std::string steps_table(const Outlook& outlook) {
  TextTable table;
  table.headings = {"step",          "name",        "role",        "parameters",  "GFLOP/iter",
                    "tensor memory", "cache/token", "cache fixed", "time a trial"};
  table.right = {false, false, false, true, true, true, true, true, true};
  for (std::size_t i = 0; i < outlook.record.steps.size(); ++i) {
    const auto& step = outlook.record.steps[i];
    const auto seconds = expected_seconds(outlook, i);
    table.rows.push_back({std::to_string(step.number), step.name, step.role(outlook.record.baseline),
                          grouped(step.parameters), fixed(step.flops_per_iteration / 1e9, 2),
                          human_bytes(static_cast<double>(step.peak_tensor_bytes_expected)),
                          human_bytes(static_cast<double>(step.decode_cache_bytes_per_token)),
                          human_bytes(static_cast<double>(step.decode_cache_bytes_fixed)),
                          seconds ? human_duration(*seconds) : "unknown"});
  }
  return aligned(table);
}

std::string parts_table(const Outlook& outlook) {
  TextTable table;
  table.headings = {"parameters by part"};
  table.right = {false};
  for (const auto& step : outlook.record.steps) {
    table.headings.push_back(str("step ", step.number));
    table.right.push_back(true);
  }
  for (const auto& [part, count] : outlook.record.steps.front().parameters_by_part) {
    std::vector<std::string> row{part};
    for (const auto& step : outlook.record.steps) row.push_back(grouped(step.parameters_by_part.at(part)));
    table.rows.push_back(row);
  }
  return aligned(table);
}

// What each matched control was solved to, and which controls are not made.
std::string controls_text(const Plan& plan) {
  std::string text;
  for (const auto& step : plan.steps) {
    if (!step.match) continue;
    const auto& match = *step.match;
    const bool parameters = step.control == Control::kParameters;
    text +=
        str("step ", step.number, ": MLP_EXPANSION = ", match.mlp_expansion, " (width ", match.width, "), ",
            parameters ? grouped(static_cast<std::int64_t>(match.reached)) + " parameters"
                       : fixed(match.reached / 1e9, 4) + " GFLOP/iter",
            ", ", match.deviation() < 0 ? "" : "+", fixed(100 * match.deviation(), 3), " % of step ",
            *step.control_of, "'s\n");
  }
  for (const auto& note : plan.notes) text += note + "\n";
  return text.empty() ? text : text + "\n";
}

void print_notes(const Outlook& outlook) {
  for (const auto& step : outlook.record.steps) {
    if (!step.blocked.empty())
      std::printf("step %ld is blocked: %s\n", static_cast<long>(step.number), step.blocked.c_str());
    if (!step.unused_symbols.empty())
      std::printf("step %ld reads nothing of: %s\n", static_cast<long>(step.number),
                  join(step.unused_symbols, " ").c_str());
  }
  std::printf("\n");
  if (!outlook.undecided.empty()) std::printf("%s\n", outlook.undecided.c_str());
  for (std::size_t t = 0; t < outlook.decisions.size(); ++t) {
    const auto& trial = outlook.plan.trials[t];
    const auto& [action, reason] = outlook.decisions[t];
    std::printf("%-7s step %ld %s, seed %ld%s\n", action_name(action), static_cast<long>(trial.step),
                trial.name.c_str(), static_cast<long>(trial.seed),
                reason.empty() ? "" : (": " + reason).c_str());
  }
  const auto total = expected_total(outlook);
  std::printf("\nexpected time: %s (%ld at once)\n",
              total ? human_duration(*total).c_str()
                    : "unknown; `kablate plan --measure` times a few iterations of each step",
              static_cast<long>(outlook.parallel));
}

int plan(const PlanCommand& command) {
  const Settings settings = command.options.settings();
  const Config base = settings.bind();
  const ExperimentFolder folder = command.options.experiment(settings);
  Outlook outlook;
  outlook.plan = make_plan(settings, plans_folder());
  outlook.ms_per_iter.resize(outlook.plan.steps.size());
  decide_trials(outlook, base, folder);
  outlook.record = describe_plan(outlook.plan);
  outlook.sensitivity = sensitivity_of(outlook.record, read_noise(folder), baseline_key(outlook));
  if (command.measure) measure_steps(outlook, base, folder);
  if (command.json) {
    std::printf("%s", json_text(to_json(outlook)).c_str());
    return kExitDone;
  }
  std::printf("plan %s: %zu steps x %zu seeds\n\n%s\n%s%s\n%s\n", outlook.plan.name.c_str(),
              outlook.plan.steps.size(), outlook.plan.seeds.size(), steps_table(outlook).c_str(),
              controls_text(outlook.plan).c_str(), parts_table(outlook).c_str(),
              sensitivity_text(outlook.sensitivity).c_str());
  print_notes(outlook);
  return kExitDone;
}

}  // namespace

void add_plan_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<PlanCommand>();
  auto* parser = app.add_subcommand("plan", "Say what a run would do and what it costs; trains nothing");
  command->options.add_to(*parser);
  parser->add_flag("--json", command->json, "As JSON");
  parser->add_flag("--measure", command->measure, "Time 10 iterations of each step");
  parser->callback([command, &action] { action = [command] { return plan(*command); }; });
}

}  // namespace kablate
