#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/heads.h"
#include "cli/outlook.h"
#include "cli/prepare.h"
#include "cli/show_report.h"
#include "interchange/weights.h"
#include "measure/checkout.h"
#include "measure/cores.h"
#include "measure/machine.h"
#include "record/gate_check.h"
#include "record/looks.h"
#include "record/reader.h"
#include "record/writer.h"
#include "report/render.h"
#include "runner/runner.h"
#include "runner/timing.h"
#include "shape/model_shape.h"
#include "train/stop_signal.h"

namespace kablate {
namespace {

// A step may change what the data must fit; better to hear of it now than after the steps before it.
void check_steps_against_data(const Plan& plan, const Config& base) {
  for (const auto& step : plan.steps)
    if (step.config.gpt.vocabulary != base.gpt.vocabulary || step.config.gpt.context != base.gpt.context ||
        step.config.objective.masked() != base.objective.masked())
      open_dataset(step.config, data_folder());
}

// The weights that every step starts from must be those of its model.
void check_initial_weights(const Plan& plan, const Config& base) {
  const auto& file = base.train.init_from;  // no step changes it
  if (file.empty()) return;
  const auto found = read_state_dict(file);
  for (const auto& step : plan.steps) try {
      take_initial_weights(file, found, model_parameters(at_update(step.config, 0)));
    } catch (const UserError& fault) {
      throw UserError(str("INIT_FROM, step ", step.number, " ", step.name, ": ", fault.what()));
    }
}

// Their places in the plan.
std::vector<std::size_t> trials_to_run(const ExperimentFolder& folder, const Plan& plan, bool retry) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < plan.trials.size(); ++i)
    if (decide(folder, plan.trials[i]).runs(retry)) places.push_back(i);
  return places;
}

// Of what the time left can't be told from, where it takes little of the run; with a budget in any case.
void time_unknown(RunOrder& order, const std::vector<std::size_t>& to_run) {
  constexpr double kMostSeconds = 30;
  if (!order.budget_seconds && !worth_timing(order.workload, to_run, order.parallel)) return;
  const auto unknown = unknown_kinds(order.workload, to_run);
  const auto copies = std::min(order.parallel, std::ssize(to_run));
  const double most = std::max(kMostSeconds, order.budget_seconds.value_or(0) / 10);
  if (!unknown.empty()) time_kinds(order.workload, unknown, order.threads, copies, most);
}

// A table of an interrupted run would be a look at what nobody asked to see yet: one line, and none is
// recorded.
int say_interrupted(const ExperimentFolder& folder, const Plan& plan, const std::string& why) {
  const auto done = std::count_if(plan.trials.begin(), plan.trials.end(), [&](const Trial& trial) {
    return decide(folder, trial).action == TrialDecision::Action::kSkip;
  });
  log_warning(str(why, " with ", done, " of ", plan.trials.size(),
                  " trials finished; the same command goes on from here, and `kablate report ",
                  folder.path().string(), "` prints the table so far"));
  return kExitInterrupted;
}

// Seconds, of "90s", "30m" or "1.5h".
double budget_of(const std::string& text) {
  const auto unit = text.empty() ? std::string::npos : std::string("smh").find(text.back());
  const auto number = parse_real(std::string_view(text).substr(0, text.size() - !text.empty()));
  constexpr double kSeconds[] = {1, 60, 3600};
  if (unit == std::string::npos || !number || *number <= 0)
    throw UserError(str("--budget = \"", text, "\": allowed: a time above 0 such as 90s, 30m or 1.5h"));
  return *number * kSeconds[unit];
}

struct RunOptions : PlanOptions {
  bool retry = false;
  std::string budget;
};

std::string about(const std::optional<double>& seconds) {
  return seconds ? "about " + human_duration(*seconds) : "a time that nothing tells";
}

// Exit code 3 as after a signal: finished trials are kept, and the same command goes on.
int say_left(const ExperimentFolder& folder, const Plan& plan, const RunOptions& options,
             const RunResult& result) {
  const bool nothing_done = result.started + result.done + result.failed + result.elsewhere == 0;
  if (nothing_done)
    throw UserError(str("--budget = ", options.budget,
                        ": no trial was started, since none would end in that ",
                        "time, or not all of a seed's: the ", result.left, " left take ",
                        about(result.left_seconds), "; give more"));
  std::string left = str(result.left, result.left == 1 ? " trial is left, " : " trials are left, ",
                         about(result.left_seconds));
  if (result.elsewhere > 0) left += str("; another run is at ", result.elsewhere, " of them");
  if (result.failed > 0) left += str("; ", result.failed, " failed");
  return say_interrupted(folder, plan, str("the budget of ", options.budget, " is used up (", left, ")"));
}

// After a retry: trials that it had no part in.
std::int64_t still_to_come(const ExperimentFolder& folder, const Plan& plan) {
  return std::count_if(plan.trials.begin(), plan.trials.end(), [&](const Trial& trial) {
    const auto decision = decide(folder, trial);
    return decision.runs() && !decision.failed;
  });
}

// No table: it would be a look at a part, as after an interruption.
int say_to_come(std::int64_t count, const RunResult& result) {
  log_info(str("tried again: ", result.done, " done, ", result.failed, " failed; ", count,
               count == 1 ? " trial" : " trials",
               " of the plan still to be trained: `kablate run` with the same options (`make`) goes on"));
  return result.failed > 0 ? kExitFailed : kExitDone;
}

int show_table(const ExperimentFolder& folder, const Plan& plan, const PlanRecord& record,
               const RunResult& result) {
  measure_heads(folder, plan);
  const Report report = make_report(folder, record);  // another run may have written its own plan meanwhile
  std::printf("%s\n", render_terminal(report, output_width()).c_str());
  std::fflush(stdout);
  write_report(folder, report);
  record_look(folder, report.seeds, report.trials);
  std::printf("%s\n%s\n%s\n", folder.report_page().c_str(), folder.report_markdown().c_str(),
              folder.report_csv().c_str());
  return has_faults(report) || result.failed > 0 || result.blocked > 0 ? kExitFailed : kExitDone;
}

int run(const RunOptions& options) {
  catch_stop_signals();
  const Stopwatch watch;
  const auto budget = options.budget.empty() ? std::nullopt : std::optional(budget_of(options.budget));
  const Settings settings = options.settings();
  const Config base = with_vocabulary(settings).bind();
  Plan plan = plan_of(settings);
  for (const auto& note : plan.notes) log_info(note);
  for (const auto& note : terms_notes(plan)) log_warning(note);
  const c10::Device device = device_of_trials(base);
  const auto data = open_dataset(base, data_folder());
  for (const auto& note : data->notes()) log_info(note), plan.step_notes.push_back(note);  // plan.json's
  check_steps_against_data(plan, base);
  check_initial_weights(plan, base);
  const ExperimentFolder folder = options.experiment(settings);
  refuse_to_add(folder);
  make_writable_folder(folder.path());
  read_looks(folder);  // where the table would throw, now is better than after the training
  const std::int64_t threads = threads_of_trials(plan, base, folder, device);
  assign_keys(plan, base, *data, threads);
  const std::int64_t parallel = parallel_trials(base, threads, available_cores(), device.is_cpu());
  if (options.retry && trials_to_run(folder, plan, /*retry=*/true).empty()) {
    log_info(str(folder.path().string(), ": no trial of the plan has failed or diverged"));
    return kExitDone;
  }
  const auto changes = source_changes(source_folder());
  check_disk_space(plan, std::ssize(trials_to_run(folder, plan, options.retry)), parallel, folder,
                   std::ssize(changes.patch));
  write_audit(folder, audit_first(plan));
  const PlanRecord record = describe_plan(plan);
  write_experiment(folder, record, base);
  if (changes.bytes > 0) write_source_changes(folder, changes.patch, changes.sha256);
  log_info(str("experiment ", folder.path().string(), ": ", plan.steps.size(), " steps x ", plan.seeds.size(),
               " seeds, ", threads, threads == 1 ? " thread" : " threads", " a trial, up to ", parallel,
               " at once"));
  RunOrder order{.threads = threads,
                 .parallel = parallel,
                 .peak_flops = {},
                 .data_folder = data_folder(),
                 .workload = workload_of(plan, *data, folder),
                 .retry = options.retry,
                 .if_diverged = kIfDiverged,
                 .budget_seconds = budget};
  if (const auto to_run = trials_to_run(folder, plan, options.retry); !to_run.empty()) {
    order.peak_flops = peaks_of_trials(plan, folder, threads, device);
    time_unknown(order, to_run);
  }
  if (budget) order.budget_seconds = *budget - watch.seconds();
  const RunResult result = run_plan(folder, plan, order);
  if (result.interrupted) return say_interrupted(folder, plan, "interrupted");
  if (result.left > 0) return say_left(folder, plan, options, result);
  if (const auto count = options.retry ? still_to_come(folder, plan) : 0; count > 0)
    return say_to_come(count, result);
  return show_table(folder, plan, record, result);
}

}  // namespace

void add_run_command(CLI::App& app, Action& action) {
  const auto add = [&](const char* name, const char* help, bool retry) {
    const auto options = std::make_shared<RunOptions>();
    options->retry = retry;
    auto* command = app.add_subcommand(name, help);
    options->add_to(*command);
    options->add_init_from(*command);
    command
        ->add_option(
            "--budget", options->budget,
            "Start no trial that would not end in this time (90s, 30m, 1.5h), and no seed whose steps "
            "would not all")
        ->type_name("TIME")
        ->check(not_empty());
    command->callback([options, &action] { action = [options] { return run(*options); }; });
  };
  add("run", "Train every trial of the plan that is not finished, and print the table", false);
  add("retry", "The same for the trials alone whose last attempt failed or diverged", true);
}

}  // namespace kablate
