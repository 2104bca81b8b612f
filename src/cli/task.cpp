#include <csignal>

#include "base/error.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/heads.h"
#include "cli/options.h"
#include "cli/prepare.h"
#include "cluster/slurm.h"
#include "cluster/submission.h"
#include "config/config.h"
#include "measure/machine.h"
#include "record/peak.h"
#include "runner/runner.h"
#include "runner/timing.h"

namespace kablate {
namespace {

// The submission's trial at this place, as a plan of its own, with its key as it is made here.
Plan plan_of_task(const SubmittedTrial& submitted, const Config& config, const Dataset& data,
                  std::int64_t threads) {
  Plan plan;
  plan.trials.push_back({.step = submitted.step,
                         .name = submitted.name,
                         .seed = submitted.seed,
                         .rerun_index = submitted.rerun_index,
                         .config = config,
                         .blocked = {},
                         .key_text = {},
                         .key = {}});
  assign_keys(plan, config, data, threads);
  if (const auto& here = plan.trials.front().key; here != submitted.key)
    throw UserError(str("step ", submitted.step, " ", submitted.name, ", seed ", submitted.seed,
                        ": here it would be another trial (key ", here.substr(0, 12), ", submitted as ",
                        submitted.key.substr(0, 12),
                        "): its data, LibTorch or the file of INIT_FROM are not what they were when it was "
                        "submitted; submit it again"));
  return plan;
}

// Not written to peak.json, which has one writer; the trial's own summary says what it was.
std::map<std::string, double> peak_here(const Config& config, std::int64_t threads, c10::Device device) {
  const auto name = dtype_name(config.run.dtype);
  return {{name,
           measure_peak(device.is_cpu() ? DeviceKind::kCpu : DeviceKind::kCuda, config.run.dtype, threads)}};
}

// Trains it. Throws Interrupted where a signal comes before it has begun.
RunResult run_task(const SubmissionFolder& folder, std::int64_t place) {
  const Submission submission = read_submission(folder);
  if (place >= std::ssize(submission.trials))
    throw UserError(str("task ", place, ": allowed: 0 to ", std::ssize(submission.trials) - 1,
                        ", the trials of ", folder.record().string()));
  const auto& submitted = submission.trials[static_cast<std::size_t>(place)];
  const Config config = Settings::from_file(folder.config(submitted.step)).bind();
  const auto device = device_of_trials(config);
  const auto data = open_dataset(config, submission.data);
  const Plan plan = plan_of_task(submitted, config, *data, submission.threads);
  const auto experiment = folder.experiment();
  RunOrder order{.threads = submission.threads,
                 .parallel = 1,
                 .peak_flops = {},
                 .data_folder = submission.data,
                 .workload = workload_of(plan, *data, experiment),
                 .retry = false,
                 .if_diverged = "submit it with --retry"};
  const auto decision = decide(experiment, plan.trials.front());
  // One that was interrupted since, as it was tried again, has not failed any more.
  order.retry = submission.retry && decision.failed;
  if (decision.runs(order.retry)) order.peak_flops = peak_here(config, submission.threads, device);
  const RunResult result = run_plan(experiment, plan, order);
  if (!result.interrupted) measure_heads(experiment, plan);
  return result;
}

// What a batch script's --signal asks for, at whatever time it comes. After another signal Slurm has decided,
// which requeues what another job displaced, and not what the user ended; or it knows of nothing (a machine
// that is shut down): then the trial would be given up.
int stopped() {
  if (first_stop_signal() != SIGUSR1 && state_of_this_job() != "RUNNING") return kExitInterrupted;
  const auto fault = requeue_this_job();
  if (!fault.empty()) throw WorkError(str("saved, but not put back into the queue: scontrol: ", fault));
  log_info("saved, and back in the queue");
  return kExitInterrupted;
}

int task(const std::string& path, std::int64_t place) {
  catch_stop_signals();
  try {
    const RunResult result = run_task(SubmissionFolder(path), place);
    return result.interrupted ? stopped() : result.failed > 0 ? kExitFailed : kExitDone;
  } catch (const Interrupted& stop) {
    log_info(stop.what());
    return stopped();
  }
}

}  // namespace

void add_task_command(CLI::App& app, Action& action) {
  struct Options {
    std::string folder;
    std::int64_t place = 0;
  };
  const auto options = std::make_shared<Options>();
  auto* command =
      app.add_subcommand("task", "Train one trial of a submission: called by its script")->group("");
  command->add_option("SUBMISSION", options->folder)->required();
  command->add_option("PLACE", options->place)->required()->check(whole_number(0));
  command->callback(
      [options, &action] { action = [options] { return task(options->folder, options->place); }; });
}

}  // namespace kablate
