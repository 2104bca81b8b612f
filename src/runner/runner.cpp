#include "runner/runner.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <deque>
#include <list>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "config/settings.h"
#include "record/claim.h"
#include "record/done.h"
#include "record/metrics.h"
#include "record/reader.h"
#include "record/writer.h"
#include "runner/lookout.h"
#include "runner/process.h"
#include "runner/progress.h"
#include "runner/trial_command.h"
#include "shape/model_shape.h"
#include "train/stop_signal.h"

namespace kablate {
namespace {

TrialFolder folder_of(const ExperimentFolder& experiment, const Trial& trial) {
  return experiment.trial({.step = trial.step, .name = trial.name, .seed = trial.seed, .key = trial.key});
}

std::string label_of(const Trial& trial) {
  return str("step ", trial.step, " ", trial.name, ", seed ", trial.seed);
}

double work_of(const Trial& trial) {
  return flops_per_iteration(trial.config) * static_cast<double>(trial.config.train.max_iters);
}

// What is different from a trial of the same step and seed under another key; "" if there is none.
std::string why_new(const ExperimentFolder& experiment, const Trial& trial) {
  for (const auto& name : experiment.trial_folders()) {
    const auto parsed = parse_trial_folder_name(name);
    if (!parsed || parsed->step != trial.step || parsed->seed != trial.seed) continue;
    const auto differences = key_differences(read_key_text(experiment.trial(name)), trial.key_text);
    if (!differences.empty()) return "changed since " + parsed->key + ": " + join(differences, ", ");
  }
  return "";
}

struct Running {
  const Trial* trial;
  ChildProcess process;
  Stopwatch watch;
  double before;  // the fraction that an earlier attempt had done
};

double fraction_of(const TrialFolder& folder, const Trial& trial) {
  return static_cast<double>(last_logged_iteration(folder.metrics())) /
         static_cast<double>(trial.config.train.max_iters);
}

class Run {
 public:
  Run(const ExperimentFolder& folder, const Plan& plan, const RunOrder& order);
  RunResult finish_all();

 private:
  void sort_trials();
  void start_what_fits();
  void start_or_record(const Trial& trial);
  void start(const Trial& trial, const std::string& reason);
  void collect();
  void ended(const Running& running, const ExitStatus& status);
  void record_failure(const Trial& trial, const ExitStatus& status);
  void show();

  const ExperimentFolder& folder_;
  const Plan& plan_;
  RunOrder order_;
  RunResult result_;
  std::deque<const Trial*> pending_;
  std::list<Running> running_;
  std::unique_ptr<Progress> progress_;
  Lookout lookout_;
};

Run::Run(const ExperimentFolder& folder, const Plan& plan, const RunOrder& order)
    : folder_(folder), plan_(plan), order_(order) {
  sort_trials();
  double work = 0;
  for (const auto* trial : pending_) work += work_of(*trial);
  progress_ = std::make_unique<Progress>(static_cast<std::int64_t>(pending_.size()), work);
}

void Run::sort_trials() {
  for (const auto& trial : plan_.trials) {
    const auto decision = decide(folder_, trial);
    switch (decision.action) {
      case TrialDecision::Action::kSkip:
        ++result_.skipped;
        break;
      case TrialDecision::Action::kDiverged:
        ++result_.failed;
        log_warning(str(label_of(trial), ": skipped: ", decision.reason));
        break;
      case TrialDecision::Action::kBlocked:
        ++result_.blocked;
        log_warning(str(label_of(trial), ": blocked: ", decision.reason));
        break;
      case TrialDecision::Action::kRun:
        pending_.push_back(&trial);
        break;
    }
  }
  if (result_.skipped > 0)
    log_info(
        str(result_.skipped, " of ", plan_.trials.size(), " trials are finished already and are skipped"));
}

void Run::start_what_fits() {
  for (auto next = pending_.begin(); next != pending_.end() && std::ssize(running_) < order_.parallel;) {
    const Trial& trial = **next;
    const auto folder = folder_of(folder_, trial);
    if (!lookout_.due(folder)) {
      ++next;
    } else if (finished_and_whole(folder)) {  // by another run
      progress_->event(str(label_of(trial), ": finished by another run"));
      progress_->finished(work_of(trial));
      ++result_.done;
      next = pending_.erase(next);
    } else if (const auto owner = claim_owner(folder)) {
      if (lookout_.held(folder, owner->host))
        progress_->event(str(label_of(trial), ": waits: ", describe(*owner),
                             " is at it (its claim stands in ", folder.path().string(), ")"));
      ++next;
    } else {
      next = pending_.erase(next);
      start_or_record(trial);
    }
  }
}

// Whatever stops one trial from starting doesn't stop the others.
void Run::start_or_record(const Trial& trial) {
  try {
    const auto decision = decide(folder_, trial);
    if (decision.action == TrialDecision::Action::kRun) return start(trial, decision.reason);
    progress_->event(str(label_of(trial), ": not started: ", decision.reason));  // another run saw it diverge
  } catch (const std::exception& fault) {
    progress_->event(str(label_of(trial), ": failed: ", fault.what()));
  }
  ++result_.failed;
  progress_->finished(work_of(trial));
}

void Run::start(const Trial& trial, const std::string& reason) {
  const auto folder = folder_of(folder_, trial);
  const std::int64_t beside = std::ssize(running_);
  const auto peak = order_.peak_flops.find(dtype_name(trial.config.run.dtype));
  const auto arguments = trial_arguments(
      folder, {.step = trial.step,
               .seed = trial.seed,
               .rerun_index = trial.rerun_index,
               .name = trial.name,
               .key = trial.key,
               .threads = order_.threads,
               .beside = std::min<std::int64_t>(order_.parallel - 1, beside + std::ssize(pending_)),
               .peak_flops = peak == order_.peak_flops.end() ? 0 : peak->second,
               .data_folder = order_.data_folder,
               .source_folder = {},
               .build = {}});
  const double before = fraction_of(folder, trial);
  running_.push_back({&trial, ChildProcess(arguments, full_dotconfig(trial.config)), {}, before});
  progress_->done_before(before * work_of(trial));
  progress_->event(str(label_of(trial), ": started as process ", running_.back().process.pid(),
                       reason.empty() ? "" : " (" + reason + ")"));
}

void Run::collect() {
  for (auto it = running_.begin(); it != running_.end();) {
    if (const auto status = it->process.poll()) {
      ended(*it, *status);
      it = running_.erase(it);
    } else {
      ++it;
    }
  }
}

void Run::ended(const Running& running, const ExitStatus& status) {
  const Trial& trial = *running.trial;
  const std::string time = human_duration(running.watch.seconds());
  if (status.code == kTrialHeldByAnother) {
    pending_.push_back(&trial);
  } else if (status.code == kExitInterrupted || (status.signal && is_stop_signal(*status.signal))) {
    result_.interrupted = true;  // saved, or stopped before it had anything to save
  } else if (const auto summary = finished(folder_of(folder_, trial)); status.code == kExitDone && summary) {
    ++result_.done;
    progress_->finished((1 - running.before) * work_of(trial));
    progress_->event(str(label_of(trial), ": validation loss ",
                         fixed(summary->val_loss.value_or(std::nan("")), 4), " after ", time));
  } else {
    ++result_.failed;
    progress_->finished(work_of(trial));
    record_failure(trial, status);
  }
}

void Run::record_failure(const Trial& trial, const ExitStatus& status) {
  constexpr std::size_t kTail = 2000;
  const auto folder = folder_of(folder_, trial);
  const std::string said(trim(status.output));
  std::string last = said.substr(said.rfind('\n') == std::string::npos ? 0 : said.rfind('\n') + 1);
  if (constexpr std::string_view kPrefix = "kablate: "; last.starts_with(kPrefix))
    last.erase(0, kPrefix.size());
  if (status.code == kTrialDiverged) {  // it wrote its own record
    progress_->event(str(label_of(trial), ": diverged; see ", folder.log().string()));
    return;
  }
  const std::string what =
      status.signal ? str("killed by signal ", *status.signal) : str("exit code ", status.code.value_or(-1));
  const std::string reason = status.signal || last.empty() ? what : last;  // a killed one said something else
  progress_->event(str(label_of(trial), ": failed: ", reason, "; see ", folder.log().string()));
  try {
    std::filesystem::create_directories(folder.path());  // it may have ended before it made it
    write_failure(folder, {.status = "failed",
                           .reason = reason,
                           .exit_code = status.code,
                           .signal = status.signal,
                           .log_tail = said.substr(said.size() - std::min(kTail, said.size()))});
  } catch (const std::exception& fault) {  // a full disk, say; the others may still have room to end
    progress_->event(str(label_of(trial), ": its failure could not be written down: ", fault.what()));
  }
}

void Run::show() {
  if (!progress_->visible()) return;  // nobody looks: don't read the logs twenty times a second
  std::vector<RunningTrial> shown;
  double under_way = 0;
  for (const auto& running : running_) {
    const double fraction = fraction_of(folder_of(folder_, *running.trial), *running.trial);
    shown.push_back({label_of(*running.trial), fraction});
    under_way += std::max(0.0, fraction - running.before) * work_of(*running.trial);
  }
  progress_->show(shown, under_way);
}

RunResult Run::finish_all() {
  using namespace std::chrono_literals;
  bool passed_on = false;
  while (!running_.empty() || (!pending_.empty() && !stop_requested())) {
    if (stop_requested()) {
      result_.interrupted = true;
      if (!std::exchange(passed_on, true))
        for (const auto& running : running_) running.process.signal(SIGTERM);
    } else {
      start_what_fits();
    }
    collect();
    show();
    std::this_thread::sleep_for(50ms);
  }
  progress_->clear();
  result_.interrupted = result_.interrupted || stop_requested();
  return result_;
}

}  // namespace

TrialDecision decide(const ExperimentFolder& experiment, const Trial& trial) {
  using enum TrialDecision::Action;
  const auto folder = folder_of(experiment, trial);
  if (!trial.blocked.empty()) return {kBlocked, trial.blocked};
  const TrialRecord record = read_trial(folder);
  switch (record.state) {
    case TrialState::kDone:
      if (const auto damage = damaged_files(folder); !damage.empty())
        return {kRun, "trained again, since it is damaged: " + join(damage, "; ")};
      return {kSkip, "done"};
    case TrialState::kDamaged:
      return {kRun, "trained again, since it is damaged: " + record.reason};
    case TrialState::kDiverged:
      return {kDiverged, record.reason + "; delete " + folder.path().string() + " to try it again"};
    case TrialState::kFailed:
      return {kRun, "the last attempt failed: " + record.reason};
    case TrialState::kInterrupted:
      return {kRun, "goes on where it was interrupted"};
    case TrialState::kRunning:
      return {kRun, "another run is at it"};
    default:
      return {kRun, why_new(experiment, trial)};
  }
}

RunResult run_plan(const ExperimentFolder& folder, const Plan& plan, const RunOrder& order) {
  catch_stop_signals();
  return Run(folder, plan, order).finish_all();
}

}  // namespace kablate
