#include <optional>

#include "base/error.h"
#include "base/log.h"
#include "base/shell.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "record/reader.h"
#include "report/tensorboard.h"

namespace kablate {
namespace {

struct TensorboardCommand {
  std::string folder, out;
  std::optional<std::int64_t> watch;  // seconds between two looks
};

void say(const TensorboardRuns& runs, const std::filesystem::path& out) {
  for (const auto& problem : runs.problems) log_warning(str(problem, ": this trial is left out"));
  if (!runs.strangers.empty())
    log_warning(str(out.string(), " also holds ", runs.strangers.size(),
                    runs.strangers.size() == 1 ? " run" : " runs", " that the present plan does not have: ",
                    join(runs.strangers, ", "), "; remove the folders if they are not wanted"));
  std::printf(
      "%s: %s of %s written\nTo look at them (`make trackers` installs TensorBoard into .venv-trackers):\n"
      "    tensorboard --logdir %s\n",
      out.c_str(), str(runs.renewed).c_str(), str(runs.runs, runs.runs == 1 ? " run" : " runs").c_str(),
      shell_quoted(out.string()).c_str());
  std::fflush(stdout);
}

int write_runs(const TensorboardCommand& command) {
  const ExperimentFolder folder = existing_experiment(command.folder);
  const auto out = command.out.empty() ? folder.tensorboard() : std::filesystem::path(command.out);
  if (command.watch) catch_stop_signals();
  auto runs = write_tensorboard(folder, out);
  say(runs, out);
  while (command.watch && !runs.complete) {
    if (!sleep_unless_stopped(static_cast<double>(*command.watch))) return kExitInterrupted;
    runs = write_tensorboard(folder, out);
  }
  return runs.problems.empty() ? kExitDone : kExitFailed;
}

int print_tracked(const std::string& path) {
  const ExperimentFolder folder = existing_experiment(path);
  const PlanRecord plan = read_plan(folder);
  refuse_imported(folder, plan);
  std::printf("%s\n", Json{{"experiment", std::filesystem::canonical(folder.path()).filename().string()},
                           {"plan", plan.name},
                           {"wandb", folder.wandb().string()},
                           {"trackio", folder.trackio().string()}}
                          .dump()
                          .c_str());
  bool whole = true;
  for (const auto& planned : plan.trials) {
    try {
      if (const auto trial = read_tracked(folder, plan, planned))
        std::printf("%s\n", to_json(*trial).dump().c_str());
    } catch (const UserError& fault) {
      log_warning(str(fault.what(), ": this trial is left out"));
      whole = false;
    }
  }
  return whole ? kExitDone : kExitFailed;
}

}  // namespace

void add_tensorboard_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<TensorboardCommand>();
  auto* command =
      app.add_subcommand("tensorboard", "Write the curves of an experiment as TensorBoard reads them");
  command->add_option("RESULT_DIR", options->folder, "An experiment's folder, such as results/quick")
      ->required();
  command
      ->add_option("--out", options->out, "Where the runs' folders go; RESULT_DIR/tensorboard if not given")
      ->type_name("DIR")
      ->check(not_empty());
  command
      ->add_option("--watch", options->watch,
                   "Write what is new every so many seconds, until every trial of the plan has ended")
      ->type_name("SECONDS")
      ->check(whole_number(1));
  command->callback([options, &action] { action = [options] { return write_runs(*options); }; });
}

void add_tracked_command(CLI::App& app, Action& action) {
  const auto folder = std::make_shared<std::string>();
  auto* command =
      app.add_subcommand("tracked", "A line of JSON on the experiment, then one a trial with its curves")
          ->group("");
  command->add_option("RESULT_DIR", *folder, "An experiment's folder")->required();
  command->callback([folder, &action] { action = [folder] { return print_tracked(*folder); }; });
}

}  // namespace kablate
