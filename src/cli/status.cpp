#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "cluster/slurm.h"
#include "cluster/submission.h"
#include "cluster/task_map.h"
#include "record/claim.h"
#include "record/reader.h"
#include "record/trial_progress.h"
#include "record/writer.h"
#include "report/table.h"
#include "runner/forecast.h"

namespace kablate {
namespace {

// A trial as its folder tells it, and as Slurm does.
struct TrialStatus {
  PlannedTrial planned;
  std::string arm;
  TrialState state = TrialState::kMissing;
  std::string reason, host;
  std::optional<TrialProgress> progress;
  std::optional<std::int64_t> iterations;
  std::optional<double> seconds_left;
  std::optional<SlurmTask> task;
};

struct Status {
  std::vector<TrialStatus> trials;
  std::map<TrialState, std::int64_t> counts;
  std::string slurm_problem;  // why squeue was not asked, where something was submitted
};

// Of finished trials of each step, what a trial takes against its iterations: evaluations, saving, start.
std::map<std::int64_t, double> overheads(const ExperimentFolder& folder, const Status& status,
                                         const std::set<std::int64_t>& steps) {
  std::map<std::int64_t, double> found;
  for (const auto& trial : status.trials) {
    const auto step = trial.planned.step;
    if (trial.state != TrialState::kDone || !steps.contains(step) || found.contains(step)) continue;
    const auto summary = finished(folder.trial(trial.planned.folder));
    if (summary && summary->interruptions == 0 && summary->wall_seconds && summary->train_seconds &&
        *summary->train_seconds > 0)
      found[step] = *summary->wall_seconds / *summary->train_seconds;
  }
  return found;
}

void add_progress(const ExperimentFolder& folder, Status& status) {
  std::set<std::int64_t> steps;
  for (const auto& trial : status.trials)
    if (trial.state == TrialState::kRunning || trial.state == TrialState::kInterrupted)
      steps.insert(trial.planned.step);
  const auto factors = overheads(folder, status, steps);
  for (auto& trial : status.trials) {
    if (trial.state == TrialState::kMissing || trial.state == TrialState::kBlocked ||
        trial.state == TrialState::kDone)
      continue;
    const auto files = folder.trial(trial.planned.folder);
    trial.progress = read_progress(files);
    if (const auto owner = claim_owner(files)) trial.host = owner->host;
    try {
      trial.iterations = parse_int(read_trial_config(files).text("GPT2_MAX_ITERS"));
    } catch (const UserError&) {  // it is only just being started
      continue;
    }
    if (trial.state != TrialState::kRunning || !trial.progress || !trial.progress->ms || !trial.iterations)
      continue;
    const auto factor = factors.find(trial.planned.step);
    trial.seconds_left =
        *trial.progress->ms / 1e3 *
        static_cast<double>(std::max<std::int64_t>(0, *trial.iterations - trial.progress->done)) *
        (factor == factors.end() ? 1 : factor->second);
  }
}

// Slurm's word on those that have not ended well.
void add_tasks(const ExperimentFolder& folder, Status& status) {
  const auto arrays = submitted_arrays(folder);
  if (arrays.empty()) return;
  auto ended = tasks_by_trial(folder, ended_tasks(arrays));
  std::map<std::string, SlurmTask> queued;
  if (const auto tasks = queued_tasks(&status.slurm_problem)) queued = tasks_by_trial(folder, *tasks);
  for (auto& trial : status.trials) {
    if (trial.state == TrialState::kDone) continue;
    if (const auto at = queued.find(trial.planned.folder); at != queued.end())
      trial.task = at->second;
    else if (const auto then = ended.find(trial.planned.folder); then != ended.end())
      trial.task = then->second;
  }
}

// The last line of a log; "" where there is none.
std::string last_line(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return "";
  const auto lines = split(std::string(trim(read_text(path))), '\n');
  return std::string(trim(lines.back()));
}

// Of a task that Slurm has no more: what its trial's folder doesn't tell, since it may not have come so far.
void add_last_words(const ExperimentFolder& folder, Status& status) {
  const auto logs = logs_by_trial(folder);
  const std::set<std::string> in_queue{"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED"};
  for (auto& trial : status.trials) {
    const auto log = logs.find(trial.planned.folder);
    const bool ended = !trial.task || !in_queue.contains(trial.task->state);
    if (!is_to_come(trial.state) || trial.state == TrialState::kRunning || !ended || log == logs.end())
      continue;
    if (const auto line = last_line(log->second); !line.empty())
      trial.reason = str("its task ended with \"", line, "\" (", log->second.string(), ")");
  }
}

Status look_at_trials(const ExperimentFolder& folder) {
  refuse_older_format(folder);
  const auto plan = read_plan(folder);
  refuse_imported(folder, plan);
  const auto states = trial_states(folder, plan);
  Status status;
  for (std::size_t i = 0; i < states.size(); ++i) {
    const auto& planned = plan.trials[i];
    const auto* step = plan.find_step(planned.step);
    TrialStatus trial;
    trial.planned = planned, trial.arm = step == nullptr ? "" : step->name;
    trial.state = states[i];
    if (trial.state == TrialState::kMissing && step != nullptr && !step->blocked.empty())
      trial.state = TrialState::kBlocked;
    if (trial.state == TrialState::kFailed || trial.state == TrialState::kDiverged ||
        trial.state == TrialState::kDamaged)
      trial.reason = read_trial(folder.trial(planned.folder)).reason;
    ++status.counts[trial.state];
    status.trials.push_back(std::move(trial));
  }
  add_progress(folder, status);
  add_tasks(folder, status);
  if (status.slurm_problem.empty()) add_last_words(folder, status);
  return status;
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string task_text(const std::optional<SlurmTask>& task) {
  if (!task) return "";
  std::string text = str(task->job, "_", task->task.value_or(0), " ", lower(task->state));
  if (task->state == "PENDING" && !task->reason.empty() && task->reason != "None")
    text += " (" + task->reason + ")";
  if (!task->node.empty() && task->node != "None assigned") text += " on " + task->node;
  return text;
}

std::string progress_text(const TrialStatus& trial) {
  if (!trial.progress) return "";
  const auto of = trial.iterations ? str("/", *trial.iterations) : "";
  return str(trial.progress->done, of);
}

// Whether there is something to say of it alone.
bool tells(const TrialStatus& trial) {
  return trial.task || !trial.reason.empty() ||
         (trial.state != TrialState::kDone && trial.state != TrialState::kMissing);
}

std::string planned_text(const Status& status) {
  std::vector<std::string> parts;
  for (const auto& [state, count] : status.counts) parts.push_back(str(count, " ", state_name(state)));
  std::int64_t waiting = 0;
  for (const auto& trial : status.trials) waiting += trial.task && trial.task->state == "PENDING";
  if (waiting > 0) parts.push_back(str(waiting, " waiting in Slurm's queue"));
  return str(status.trials.size(), status.trials.size() == 1 ? " trial" : " trials",
             " planned: ", join(parts, ", "));
}

std::string status_text(const ExperimentFolder& folder, const Status& status, std::size_t most,
                        std::size_t width) {
  TextTable table{{"step", "arm", "seed", "state", "iteration", "loss", "time left", "host", "Slurm"},
                  {true, false, true, false, true, true, true, false, false},
                  {}};
  std::size_t left_out = 0;
  std::string reasons;
  for (const auto& trial : status.trials) {
    if (most != 0 && !tells(trial)) continue;
    if (most != 0 && table.rows.size() == most) {
      ++left_out;
      continue;
    }
    const bool has_loss = trial.progress && trial.progress->loss;
    table.rows.push_back(
        {str(trial.planned.step), trial.arm, str(trial.planned.seed), state_name(trial.state),
         progress_text(trial), has_loss ? fixed(*trial.progress->loss, 4) : "",
         trial.seconds_left ? human_duration(*trial.seconds_left) : "", trial.host, task_text(trial.task)});
    if (!trial.reason.empty())
      reasons += wrapped(
          str("step ", trial.planned.step, " ", trial.arm, ", seed ", trial.planned.seed, ": ", trial.reason),
          width);
  }
  std::string text = table.rows.empty() ? "" : aligned(table, width) + "\n";
  if (left_out > 0) text += str("and ", left_out, " more that are not done (--all shows every trial)\n");
  if (!reasons.empty()) text += reasons + "\n";
  if (!status.slurm_problem.empty()) text += wrapped("Slurm was not asked: " + status.slurm_problem, width);
  return text + planned_text(status) + "\n" + folder.path().string() + "\n";
}

Json status_json(const Status& status) {
  Json json{{"counts", Json::object()}, {"trials", Json::array()}, {"slurm_problem", status.slurm_problem}};
  for (const auto& [state, count] : status.counts) json["counts"][state_name(state)] = count;
  const auto number = [](const auto& value) { return value ? Json(*value) : Json(); };
  for (const auto& trial : status.trials) {
    Json row{{"step", trial.planned.step},
             {"arm", trial.arm},
             {"seed", trial.planned.seed},
             {"folder", trial.planned.folder},
             {"state", state_name(trial.state)},
             {"reason", trial.reason},
             {"host", trial.host},
             {"iterations", number(trial.iterations)},
             {"seconds_left", number(trial.seconds_left)}};
    row["iteration"] = trial.progress ? Json(trial.progress->done) : Json();
    row["loss"] = trial.progress ? number(trial.progress->loss) : Json();
    row["slurm"] = Json();
    if (trial.task)
      row["slurm"] = {{"job", trial.task->job},
                      {"task", number(trial.task->task)},
                      {"state", trial.task->state},
                      {"reason", trial.task->reason},
                      {"node", trial.task->node}};
    json["trials"].push_back(std::move(row));
  }
  return json;
}

}  // namespace

void add_status_command(CLI::App& app, Action& action) {
  struct Options {
    std::string folder;
    bool json = false, all = false;
  };
  const auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand(
      "status", "How far each trial of an experiment is, from what is on disk and in Slurm's queue");
  command->add_option("EXPERIMENT_DIR", options->folder, "An experiment's folder under results/")
      ->required()
      ->check(not_empty());
  command->add_flag("--all", options->all, "Every trial, those that are done too");
  command->add_flag("--json", options->json, "As JSON");
  command->callback([options, &action] {
    action = [options] {
      const auto folder = existing_experiment(options->folder);
      const auto status = look_at_trials(folder);
      constexpr std::size_t kMostRows = 40;
      std::printf("%s",
                  options->json
                      ? json_text(status_json(status)).c_str()
                      : status_text(folder, status, options->all ? 0 : kMostRows, output_width()).c_str());
      return kExitDone;
    };
  });
}

}  // namespace kablate
