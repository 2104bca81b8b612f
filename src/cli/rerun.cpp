#include "runner/rerun.h"
#include "base/error.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "report/table.h"

namespace kablate {
namespace {

struct RerunCommand {
  std::string folder, data_path, init_from;
};

void print_finding(const std::string& finding) {
  std::printf("%s", finding_line(finding, terminal_width()).c_str());
}

void print_differences(const RerunPlan& plan) {
  for (const auto& damage : plan.damage) print_finding("damaged there: " + damage);
  for (const auto* phrases : {&plan.causes.key, &plan.causes.machine})
    for (const auto& phrase : *phrases) print_finding("differs here: " + phrase);
  if (plan.causes.names().empty())
    print_finding(
        "the same here: configuration, sources, compiler, LibTorch, threads, data, device, kernels, CPU, "
        "libraries' variables and system");
  std::fflush(stdout);
}

// What a difference comes from, as far as the records say.
std::string explanation(const Causes& causes) {
  if (!causes.key.empty()) return "known causes: " + join(causes.names(), ", ");
  const std::string same =
      "same configuration, sources, compiler, LibTorch, threads, data, device and kernels";
  return causes.machine.empty() ? same + ", and the same CPU, variables and system: this is a defect"
                                : str(same, ": this is a defect, or comes of ", join(causes.names(), ", "));
}

int rerun_trial(const RerunCommand& command) {
  catch_stop_signals();
  const Program program{data_folder(), source_folder(), this_build(), command.data_path, command.init_from};
  const RerunPlan plan = plan_rerun(existing_trial(command.folder), program);
  print_differences(plan);
  log_info(str("training ", plan.stored.label(), " again, ", plan.stored.threads,
               plan.stored.threads == 1 ? " thread" : " threads"));
  const RerunResult result = rerun(plan, program);
  if (result.interrupted) {
    log_warning("interrupted; nothing was kept of what was being trained again");
    return kExitInterrupted;
  }
  const std::string label = plan.stored.label();
  if (result.equal()) {
    print_finding(
        str(label, ": equal: weights ", plan.stored.summary.weights_sha256, " and every logged loss"));
    return plan.damage.empty() ? kExitDone : kExitFailed;
  }
  const std::string what = result.failure.empty() ? "differs: " + result.comparison.describe()
                                                  : "failed when trained again: " + result.failure;
  print_finding(str(label, ": ", what));
  print_finding(explanation(plan.causes));
  print_finding("kept to be looked at: " + result.kept.string());
  return kExitFailed;
}

}  // namespace

void add_rerun_command(CLI::App& app, Action& action) {
  const auto command = std::make_shared<RerunCommand>();
  auto* parser = app.add_subcommand(
      "rerun", "Train one trial again from its folder, and name what differs here if the result does");
  parser->add_option("RUN", command->folder, "A trial's folder")->required();
  parser->add_option("--data-path", command->data_path, "Where the data of DATA_PATH lie now")
      ->type_name("PATH")
      ->check(not_empty());
  parser->add_option("--init-from", command->init_from, "Where the weights of INIT_FROM lie now")
      ->type_name("FILE")
      ->check(not_empty());
  parser->callback([command, &action] { action = [command] { return rerun_trial(*command); }; });
}

}  // namespace kablate
