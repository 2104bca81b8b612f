#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/heads.h"
#include "cli/outlook.h"
#include "cli/prepare.h"
#include "cli/prepared_run.h"
#include "cli/show_report.h"
#include "record/looks.h"
#include "record/reader.h"
#include "record/writer.h"
#include "report/render.h"
#include "runner/runner.h"
#include "runner/timing.h"

namespace kablate {
namespace {

// Of what the time left can't be told from, where it takes little of the run; with a budget in any case.
void time_unknown(RunOrder& order, const std::vector<std::size_t>& to_run) {
  constexpr double kMostSeconds = 30;
  const auto iterations =
      order.budget_seconds ? kMostTimed : iterations_worth_timing(order.workload, to_run, order.parallel);
  if (iterations == 0) return;
  const auto unknown = unknown_kinds(order.workload, to_run);
  const auto copies = std::min(order.parallel, std::ssize(to_run));
  const double most = std::max(kMostSeconds, order.budget_seconds.value_or(0) / 10);
  if (!unknown.empty()) time_kinds(order.workload, unknown, iterations, order.threads, copies, most);
}

// A table of an interrupted run would be a look at what nobody asked to see yet: one line, and none is
// recorded.
int say_interrupted(const ExperimentFolder& folder, const Plan& plan, const std::string& why) {
  const auto decisions = decide_all(folder, plan.trials);
  const auto done = std::count_if(decisions.begin(), decisions.end(), [](const TrialDecision& decision) {
    return decision.action == TrialDecision::Action::kSkip;
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
  bool retry = false, from_other_ranks = false;
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
  const auto decisions = decide_all(folder, plan.trials);
  return std::count_if(decisions.begin(), decisions.end(),
                       [](const TrialDecision& decision) { return decision.runs() && !decision.failed; });
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
  PreparedRun run = prepare_run(options);
  const c10::Device device = device_of_trials(run.base);
  make_writable_folder(run.folder.path());
  read_looks(run.folder);  // where the table would throw, now is better than after the training
  const std::int64_t threads = threads_of_trials(run.plan, run.base, run.folder, device);
  assign_keys(run.plan, run.base, *run.data, threads);
  const std::int64_t parallel = parallel_trials(run.base, threads, device);
  const auto wanted = trials_to_run(run, options.retry);
  if (options.retry && wanted.empty()) return say_nothing_failed(run);
  const PlanRecord record = audit_and_write(run, std::ssize(wanted), parallel);
  log_info(str("experiment ", run.folder.path().string(), ": ", run.plan.steps.size(), " steps x ",
               run.plan.seeds.size(), " seeds, ", threads, threads == 1 ? " thread" : " threads",
               " a trial, up to ", parallel, " at once"));
  RunOrder order{.threads = threads,
                 .parallel = parallel,
                 .peak_flops = {},
                 .data_folder = data_folder(),
                 .workload = workload_of(run.plan, *run.data, run.folder),
                 .retry = options.retry,
                 .from_other_ranks = options.from_other_ranks,
                 .if_diverged = kIfDiverged,
                 .budget_seconds = budget};
  if (const auto to_run = trials_to_run(run, options.retry); !to_run.empty()) {
    order.peak_flops = peaks_of_trials(run.plan, run.folder, threads, device);
    time_unknown(order, to_run);
  }
  if (budget) order.budget_seconds = *budget - watch.seconds();
  const RunResult result = run_plan(run.folder, run.plan, order);
  if (result.interrupted) return say_interrupted(run.folder, run.plan, "interrupted");
  if (result.left > 0) return say_left(run.folder, run.plan, options, result);
  if (const auto count = options.retry ? still_to_come(run.folder, run.plan) : 0; count > 0)
    return say_to_come(count, result);
  return show_table(run.folder, run.plan, record, result);
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
    command->add_flag("--from-other-ranks", options->from_other_ranks,
                      "Go on from checkpoints of trials with another number of RANKS; what comes of it is "
                      "paired with nothing");
    command->callback([options, &action] { action = [options] { return run(*options); }; });
  };
  add("run", "Train every trial of the plan that is not finished, and print the table", false);
  add("retry", "The same for the trials alone whose last attempt failed or diverged", true);
}

}  // namespace kablate
