#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/heads.h"
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

std::int64_t count_to_run(const ExperimentFolder& folder, const Plan& plan) {
  std::int64_t count = 0;
  for (const auto& trial : plan.trials) count += decide(folder, trial).action == TrialDecision::Action::kRun;
  return count;
}

// A table of an interrupted run would be a look at what nobody asked to see yet: one line, and none is
// recorded.
int say_interrupted(const ExperimentFolder& folder, const Plan& plan) {
  const auto done = std::count_if(plan.trials.begin(), plan.trials.end(), [&](const Trial& trial) {
    return decide(folder, trial).action == TrialDecision::Action::kSkip;
  });
  log_warning(str("interrupted with ", done, " of ", plan.trials.size(),
                  " trials finished; the same command goes on from here, and `kablate report ",
                  folder.path().string(), "` prints the table so far"));
  return kExitInterrupted;
}

int run(const PlanOptions& options) {
  catch_stop_signals();
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
  refuse_older_format(folder);
  make_writable_folder(folder.path());
  read_looks(folder);  // where the table would throw, now is better than after the training
  const std::int64_t threads = threads_of_trials(plan, base, folder, device);
  assign_keys(plan, base, *data, threads);
  const std::int64_t parallel = parallel_trials(base, threads, available_cores(), device.is_cpu());
  const auto changes = source_changes(source_folder());
  check_disk_space(plan, count_to_run(folder, plan), parallel, folder, std::ssize(changes.patch));
  write_audit(folder, audit_first(plan));
  const PlanRecord record = describe_plan(plan);
  write_experiment(folder, record, base);
  if (changes.bytes > 0) write_source_changes(folder, changes.patch, changes.sha256);
  log_info(str("experiment ", folder.path().string(), ": ", plan.steps.size(), " steps x ", plan.seeds.size(),
               " seeds, ", threads, threads == 1 ? " thread" : " threads", " a trial, up to ", parallel,
               " at once"));
  RunOrder order{.threads = threads, .parallel = parallel, .peak_flops = {}, .data_folder = data_folder()};
  if (count_to_run(folder, plan) > 0) order.peak_flops = peaks_of_trials(plan, folder, threads, device);
  const RunResult result = run_plan(folder, plan, order);
  if (result.interrupted) return say_interrupted(folder, plan);
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

}  // namespace

void add_run_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<PlanOptions>();
  auto* command =
      app.add_subcommand("run", "Train every trial of the plan that is not finished, and print the table");
  options->add_to(*command);
  options->add_init_from(*command);
  command->callback([options, &action] { action = [options] { return run(*options); }; });
}

}  // namespace kablate
