#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "measure/machine.h"
#include "record/reader.h"
#include "report/table.h"
#include "runner/verify.h"

namespace kablate {
namespace {

struct VerifyCommand {
  std::string folder, steps, seeds, data_path, init_from;
  bool no_retrain = false;
};

// The trials of the plan that were asked for.
std::vector<TrialFolder> selected_trials(const VerifyCommand& command) {
  const ExperimentFolder experiment(command.folder);
  const PlanRecord plan = read_plan(experiment);
  refuse_imported(experiment, plan);
  const auto in = [](const std::vector<std::int64_t>& list, std::int64_t number) {
    return list.empty() || std::find(list.begin(), list.end(), number) != list.end();
  };
  std::vector<std::int64_t> steps, seeds;
  if (!command.steps.empty()) steps = parse_list(command.steps, "--steps", 0);
  if (!command.seeds.empty()) seeds = parse_list(command.seeds, "--seeds", 1);
  std::vector<TrialFolder> trials;
  for (const auto& trial : plan.trials)
    if (in(steps, trial.step) && in(seeds, trial.seed)) trials.push_back(experiment.trial(trial.folder));
  if (trials.empty())
    throw UserError(str("--steps = \"", command.steps, "\", --seeds = \"", command.seeds, "\": the plan in ",
                        experiment.plan().string(), " has no such trial"));
  return trials;
}

std::vector<TrialFolder> trials_of(const VerifyCommand& command) {
  if (is_experiment(command.folder)) return selected_trials(command);
  if (!command.steps.empty() || !command.seeds.empty())
    throw UserError(str("--steps and --seeds choose among an experiment's trials; ", command.folder,
                        " is none: leave them out, or give the experiment's folder"));
  return {existing_trial(command.folder)};
}

// What the table is worth; false if it is not what the files give.
bool report_table(const ExperimentFolder& folder) {
  std::error_code ignored;
  if (!std::filesystem::exists(folder.report_csv(), ignored)) {
    std::printf("report.csv: not there; `kablate report` writes it\n");
    return true;
  }
  const auto differences = verify_table(folder);
  if (differences.empty()) std::printf("report.csv: equal to the table recomputed from the trials' files\n");
  constexpr std::size_t kShown = 8;
  for (std::size_t i = 0; i < std::min(kShown, differences.size()); ++i)
    std::printf("%s", finding_line("report.csv: differs: " + differences[i], terminal_width()).c_str());
  if (differences.size() > kShown)
    std::printf("report.csv: differs in %zu more places\n", differences.size() - kShown);
  return differences.empty();
}

int verify(const VerifyCommand& command) {
  catch_stop_signals();
  const auto trials = trials_of(command);
  const Program program{data_folder(), source_folder(), this_build(), command.data_path, command.init_from};
  make_deterministic(1);
  const auto result = verify_trials(trials, program, !command.no_retrain, [](const TrialFinding& finding) {
    std::printf("%s", finding_line(str(finding.label, ": ", finding.text), terminal_width()).c_str());
    std::fflush(stdout);
  });
  if (result.interrupted) {
    log_warning("interrupted; nothing was kept of what was being trained again");
    return kExitInterrupted;
  }
  if (result.findings.empty())
    throw UserError(command.folder + ": no trial here is finished, so there is nothing to verify");
  const bool table = !is_experiment(command.folder) || report_table(ExperimentFolder(command.folder));
  const auto wanted = command.no_retrain ? VerifyOutcome::kClosed : VerifyOutcome::kEqual;
  const auto equal = std::count_if(result.findings.begin(), result.findings.end(),
                                   [&](const TrialFinding& f) { return f.verdict == wanted; });
  std::printf(
      "%ld of %zu finished trials %s%s\n", static_cast<long>(equal), result.findings.size(),
      command.no_retrain ? "have whole files and weights that give their loss" : "are equal bit for bit",
      result.unfinished == 0 ? "" : str("; ", result.unfinished, " not finished").c_str());
  for (const auto& kept : result.kept) std::printf("kept to be looked at: %s\n", kept.c_str());
  return table && equal == std::ssize(result.findings) ? kExitDone : kExitFailed;
}

}  // namespace

void add_verify_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<VerifyCommand>();
  auto* parser = app.add_subcommand("verify", "Train finished trials again and compare bit for bit");
  parser->add_option("RESULT_DIR", command->folder, "An experiment's or a trial's folder")->required();
  parser->add_option("--steps", command->steps, "Only these of the plan, such as 0,2 or 0-3")
      ->type_name("LIST")
      ->check(not_empty());
  parser->add_option("--seeds", command->seeds, "Only these")->type_name("LIST")->check(not_empty());
  parser->add_option("--data-path", command->data_path, "Where the data of DATA_PATH lie now")
      ->type_name("PATH")
      ->check(not_empty());
  parser->add_option("--init-from", command->init_from, "Where the weights of INIT_FROM lie now")
      ->type_name("FILE")
      ->check(not_empty());
  parser->add_flag("--no-retrain", command->no_retrain,
                   "Only files, and the validation loss of the stored weights");
  parser->callback([command, &action] { action = [command] { return verify(*command); }; });
}

}  // namespace kablate
