#include "runner/runner.h"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <deque>
#include <list>
#include <set>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "record/claim.h"
#include "record/done.h"
#include "record/reader.h"
#include "record/writer.h"
#include "runner/lookout.h"
#include "runner/other_ranks.h"
#include "runner/progress.h"
#include "runner/running_trial.h"
#include "runner/trial_command.h"
#include "train/checkpoint.h"

namespace kablate {
namespace {

TrialFolder folder_of(const ExperimentFolder& experiment, const Trial& trial) {
  return experiment.trial({.step = trial.step, .name = trial.name, .seed = trial.seed, .key = trial.key});
}

// What is different from a trial of the same step and seed under another key; "" if there is none.
std::string why_new(const ExperimentFolder& experiment, const Trial& trial) {
  for (const auto& name : experiment.trial_folders(trial.step, trial.seed)) {
    const auto differences = key_differences(read_key_text(experiment.trial(name)), trial.key_text);
    if (!differences.empty())
      return "changed since " + parse_trial_folder_name(name)->key + ": " + join(differences, ", ");
  }
  return "";
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
  void ended(RunningTrial& running, const ExitStatus& status);
  void record_failure(const Trial& trial, const ExitStatus& status);
  std::size_t kind_of(const Trial& trial) const;
  Forecast forecast() const;
  std::optional<double> seconds_left(const Forecast& forecast) const;  // until all are done
  // Empty where that of one is not known yet.
  std::optional<std::vector<double>> seconds_running(const Forecast& forecast) const;
  std::optional<double> seconds_of(const Trial& trial, const Forecast& forecast) const;  // to be started
  bool fits(const Trial& trial, const Forecast& forecast) const;
  bool some_fits() const;
  void count_left();
  void show();

  const ExperimentFolder& folder_;
  const Plan& plan_;
  RunOrder order_;
  RunResult result_;
  std::deque<const Trial*> pending_;
  std::list<RunningTrial> running_;
  std::vector<TrialPace> past_;           // of trials that this run has ended
  std::map<const Trial*, double> begun_;  // iterations that an earlier attempt saved
  std::set<const Trial*> elsewhere_;      // that another run is at
  std::set<std::int64_t> seeds_;          // of which some trial was begun
  std::int64_t planned_ = 0;              // trials that the total counts
  Stopwatch watch_;
  std::chrono::steady_clock::time_point next_look_{};
  Progress progress_;
  Lookout lookout_;
};

Run::Run(const ExperimentFolder& folder, const Plan& plan, const RunOrder& order)
    : folder_(folder), plan_(plan), order_(order) {
  sort_trials();
}

void Run::sort_trials() {
  using enum TrialDecision::Action;
  const auto decisions = decide_all(folder_, plan_.trials);
  for (std::size_t i = 0; i < decisions.size(); ++i) {
    const auto& trial = plan_.trials[i];
    const auto& decision = decisions[i];
    if (decision.runs(order_.retry)) {
      pending_.push_back(&trial);
      const auto saved = checkpoint_iteration(folder_of(folder_, trial).checkpoint());
      begun_[&trial] = static_cast<double>(saved);
      if (saved > 0) seeds_.insert(trial.seed);
    } else if (decision.action == kDiverged) {
      ++result_.failed;
      log_warning(str(label_of(trial), ": skipped: ", decision.reason, "; ",
                      order_.if_diverged.empty() ? "to try it again " : order_.if_diverged + ", or ",
                      "delete ", folder_of(folder_, trial).path().string()));
    } else if (decision.action == kBlocked) {
      ++result_.blocked;
      log_warning(str(label_of(trial), ": blocked: ", decision.reason));
    }
    if (decision.action == kSkip) ++result_.skipped, seeds_.insert(trial.seed);
  }
  planned_ = order_.retry ? std::ssize(pending_) : std::ssize(plan_.trials) - result_.blocked;
  if (result_.skipped > 0)
    log_info(
        str(result_.skipped, " of ", plan_.trials.size(), " trials are finished already and are skipped"));
}

void Run::start_what_fits() {
  const Forecast forecast = this->forecast();
  for (auto next = pending_.begin(); next != pending_.end() && std::ssize(running_) < order_.parallel;) {
    const Trial& trial = **next;
    const auto folder = folder_of(folder_, trial);
    if (!lookout_.due(folder) || !fits(trial, forecast)) {
      ++next;
    } else if (finished_and_whole(folder)) {  // by another run
      progress_.event(str(label_of(trial), ": finished by another run"));
      ++result_.done;
      elsewhere_.erase(&trial);
      next = pending_.erase(next);
    } else if (const auto owner = claim_owner(folder)) {
      elsewhere_.insert(&trial);
      if (lookout_.held(folder, owner->host))
        progress_.event(str(label_of(trial), ": waits: ", describe(*owner), " is at it (its claim stands in ",
                            folder.path().string(), ")"));
      ++next;
    } else {
      elsewhere_.erase(&trial);
      next = pending_.erase(next);
      start_or_record(trial);
    }
  }
}

// Whatever stops one trial from starting doesn't stop the others.
void Run::start_or_record(const Trial& trial) {
  try {
    const auto decision = decide(folder_, trial);
    const bool diverged = decision.action == TrialDecision::Action::kDiverged;
    if (decision.runs() || decision.runs(order_.retry))
      return start(trial, diverged ? "it diverged before" : decision.reason);
    progress_.event(str(label_of(trial), ": not started: ", decision.reason));  // another run saw it diverge
  } catch (const std::exception& fault) {
    progress_.event(str(label_of(trial), ": failed: ", fault.what()));
  }
  ++result_.failed;
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
               .ranks = trial.config.run.ranks,
               .beside = std::min<std::int64_t>(order_.parallel - 1, beside + std::ssize(pending_)),
               .device = device_class(resolve_device(trial.config.run.device)),
               .peak_flops = peak == order_.peak_flops.end() ? 0 : peak->second,
               .data_folder = order_.data_folder,
               .source_folder = {},
               .begun_in = order_.from_other_ranks ? begun_with_other_ranks(folder_, trial) : "",
               .build = {}});
  running_.emplace_back(trial, kind_of(trial), folder, arguments);
  seeds_.insert(trial.seed), ++result_.started;
  progress_.event(str(label_of(trial), ": started as process ", running_.back().process().pid(),
                      reason.empty() ? "" : " (" + reason + ")"));
}

void Run::collect() {
  for (auto it = running_.begin(); it != running_.end();) {
    if (const auto status = it->process().poll()) {
      ended(*it, *status);
      it = running_.erase(it);
    } else {
      ++it;
    }
  }
}

void Run::ended(RunningTrial& running, const ExitStatus& status) {
  const Trial& trial = running.trial();
  const std::string time = human_duration(running.seconds());
  if (status.code == kTrialHeldByAnother) {
    pending_.push_back(&trial);
  } else if (was_stopped(status, trial.config.run.ranks)) {
    result_.interrupted = true;  // saved, or stopped before it had anything to save
  } else if (const auto summary = finished(folder_of(folder_, trial)); status.code == kExitDone && summary) {
    ++result_.done;
    running.ended();
    past_.push_back(running.pace());
    progress_.event(str(label_of(trial), ": validation loss ",
                        fixed(summary->val_loss.value_or(std::nan("")), 4), " after ", time));
  } else {
    ++result_.failed;
    record_failure(trial, status);
  }
}

void Run::record_failure(const Trial& trial, const ExitStatus& status) {
  constexpr std::size_t kTail = 2000;
  const auto folder = folder_of(folder_, trial);
  const std::string said(trim(status.output));
  const std::string last = last_words(said, trial.config.run.ranks);
  if (status.code == kTrialDiverged) {  // it wrote its own record
    progress_.event(str(label_of(trial), ": diverged; see ", folder.log().string()));
    return;
  }
  const std::string what =
      status.signal ? str("killed by signal ", *status.signal) : str("exit code ", status.code.value_or(-1));
  const std::string reason = status.signal || last.empty() ? what : last;  // a killed one said something else
  progress_.event(str(label_of(trial), ": failed: ", reason, "; see ", folder.log().string()));
  try {
    std::filesystem::create_directories(folder.path());  // it may have ended before it made it
    write_failure(folder, {.status = "failed",
                           .reason = reason,
                           .exit_code = status.code,
                           .signal = status.signal,
                           .log_tail = said.substr(said.size() - std::min(kTail, said.size()))});
  } catch (const std::exception& fault) {  // a full disk, say; the others may still have room to end
    progress_.event(str(label_of(trial), ": its failure could not be written down: ", fault.what()));
  }
}

std::size_t Run::kind_of(const Trial& trial) const {
  return order_.workload.of_trial[static_cast<std::size_t>(&trial - plan_.trials.data())];
}

Forecast Run::forecast() const {
  std::vector<TrialPace> seen = past_;
  for (const auto& running : running_) seen.push_back(running.pace());
  return {order_.workload.kinds, seen};
}

std::optional<std::vector<double>> Run::seconds_running(const Forecast& forecast) const {
  std::vector<std::optional<double>> seconds;
  for (const auto& trial : running_) seconds.push_back(trial.seconds_left(forecast));
  return all_known(seconds);
}

std::optional<double> Run::seconds_of(const Trial& trial, const Forecast& forecast) const {
  const auto begun = begun_.find(&trial);
  return forecast.trial_seconds(kind_of(trial), begun == begun_.end() ? 0 : begun->second);
}

std::optional<double> Run::seconds_left(const Forecast& forecast) const {
  const auto running = seconds_running(forecast);
  std::vector<std::optional<double>> seconds;
  for (const auto* trial : pending_) seconds.push_back(seconds_of(*trial, forecast));
  const auto pending = all_known(seconds);
  if (!running || !pending) return {};
  // Of a trial that another run is at this one knows that it takes a place of its own.
  return makespan(*running, *pending, static_cast<std::size_t>(order_.parallel) + elsewhere_.size());
}

bool Run::fits(const Trial& trial, const Forecast& forecast) const {
  if (!order_.budget_seconds) return true;
  std::vector<std::optional<double>> row;
  for (const auto* other : pending_)
    if (other->seed == trial.seed) row.push_back(seconds_of(*other, forecast));
  return kablate::fits({.seconds = *order_.budget_seconds - watch_.seconds(),
                        .running = seconds_running(forecast),
                        .slots = static_cast<std::size_t>(order_.parallel)},
                       seeds_.contains(trial.seed), seconds_of(trial, forecast), row);
}

bool Run::some_fits() const {
  if (!order_.budget_seconds) return true;
  const Forecast forecast = this->forecast();
  return std::any_of(pending_.begin(), pending_.end(),
                     [&](const Trial* trial) { return fits(*trial, forecast); });
}

void Run::count_left() {
  const Forecast forecast = this->forecast();
  std::vector<double> seconds;
  for (const auto* trial : pending_) {
    const auto folder = folder_of(folder_, *trial);
    if (finished_and_whole(folder)) {  // by another run
      ++result_.done;
      continue;
    }
    ++result_.left;
    result_.elsewhere += claim_owner(folder).has_value();
    if (const auto left = seconds_of(*trial, forecast)) seconds.push_back(*left);
  }
  if (std::ssize(seconds) == result_.left)
    result_.left_seconds = makespan({}, seconds, static_cast<std::size_t>(order_.parallel));
}

// Looks at the logs now and then: it is the trials' turn to have the cores.
void Run::show() {
  constexpr std::chrono::milliseconds kBetweenLooks{250};
  const auto now = std::chrono::steady_clock::now();
  if (now < next_look_) return;
  next_look_ = now + kBetweenLooks;
  for (auto& running : running_) running.look();
  const Forecast forecast = this->forecast();
  RunFacts facts;
  for (const auto& running : running_) facts.trials.push_back(running.facts(forecast));
  facts.done = (order_.retry ? 0 : result_.skipped) + result_.done, facts.failed = result_.failed;
  facts.planned = planned_;
  facts.seconds_left = seconds_left(forecast);
  progress_.show(facts);
}

RunResult Run::finish_all() {
  using namespace std::chrono_literals;
  std::optional<Stopwatch> passed_on;
  while (!running_.empty() || (!pending_.empty() && !stop_requested() && some_fits())) {
    if (stop_requested()) {
      result_.interrupted = true;
      if (!passed_on || passed_on->seconds() > 1) {
        for (auto& running : running_) running.process().ask_to_stop();
        passed_on = Stopwatch();
      }
    } else {
      start_what_fits();
    }
    collect();
    show();
    std::this_thread::sleep_for(50ms);
  }
  progress_.clear();
  if (order_.budget_seconds) count_left();
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
      return {kDiverged, record.reason, /*failed=*/true};
    case TrialState::kFailed:
      return {kRun, "the last attempt failed: " + record.reason, /*failed=*/true};
    case TrialState::kInterrupted:
      return {kRun, "goes on where it was interrupted"};
    case TrialState::kRunning:
      return {kRun, "another run is at it"};
    default:
      return {kRun, why_new(experiment, trial)};
  }
}

std::vector<TrialDecision> decide_all(const ExperimentFolder& folder, const std::vector<Trial>& trials) {
  std::vector<TrialDecision> decisions(trials.size());
  for_each_on_all_cores(trials.size(), [&](std::size_t i) { decisions[i] = decide(folder, trials[i]); });
  return decisions;
}

RunResult run_plan(const ExperimentFolder& folder, const Plan& plan, const RunOrder& order) {
  catch_stop_signals();
  return Run(folder, plan, order).finish_all();
}

}  // namespace kablate
