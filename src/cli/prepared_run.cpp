#include "cli/prepared_run.h"

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/prepare.h"
#include "interchange/weights.h"
#include "measure/checkout.h"
#include "record/gate_check.h"
#include "record/reader.h"
#include "record/writer.h"
#include "runner/runner.h"
#include "shape/model_shape.h"

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

}  // namespace

PreparedRun prepare_run(const PlanOptions& options) {
  const Settings settings = options.settings();
  PreparedRun run{.base = with_vocabulary(settings).bind(),
                  .plan = plan_of(settings),
                  .data = {},
                  .folder = options.experiment(settings)};
  for (const auto& note : run.plan.notes) log_info(note);
  for (const auto& note : terms_notes(run.plan)) log_warning(note);
  run.data = open_dataset(run.base, data_folder());
  for (const auto& note : run.data->notes())
    log_info(note), run.plan.step_notes.push_back(note);  // plan.json's
  check_steps_against_data(run.plan, run.base);
  check_initial_weights(run.plan, run.base);
  refuse_to_add(run.folder);
  return run;
}

std::vector<std::size_t> trials_to_run(const PreparedRun& run, bool retry) {
  std::vector<std::size_t> places;
  const auto decisions = decide_all(run.folder, run.plan.trials);
  for (std::size_t i = 0; i < decisions.size(); ++i)
    if (decisions[i].runs(retry)) places.push_back(i);
  return places;
}

int say_nothing_failed(const PreparedRun& run) {
  log_info(str(run.folder.path().string(), ": no trial of the plan has failed or diverged"));
  return kExitDone;
}

PlanRecord audit_and_write(PreparedRun& run, std::int64_t trials, std::int64_t parallel) {
  const auto changes = source_changes(source_folder());
  check_disk_space(run.plan, trials, parallel, run.folder, std::ssize(changes.patch));
  write_audit(run.folder, audit_first(run.plan));
  PlanRecord record = describe_plan(run.plan);
  write_experiment(run.folder, record, run.base);
  if (changes.bytes > 0) write_source_changes(run.folder, changes.patch, changes.sha256);
  return record;
}

}  // namespace kablate
