#include "runner/running_trial.h"

#include <algorithm>

#include "base/text.h"
#include "config/settings.h"
#include "runner/trial_command.h"
#include "train/checkpoint.h"

namespace kablate {

namespace {

// Of a Trial or a TrialName.
template <typename Named>
std::string label_text(const Named& trial) {
  return str("step ", trial.step, " ", trial.name, ", seed ", trial.seed);
}

}  // namespace

std::string label_of(const Trial& trial) { return label_text(trial); }

std::string label_of(const TrialFolder& folder) {
  const auto file = folder.path().filename().string();
  const auto name = parse_trial_folder_name(file);
  return name ? label_text(*name) : file;
}

RunningTrial::RunningTrial(const Trial& trial, std::size_t kind, const TrialFolder& folder,
                           const std::vector<std::string>& arguments)
    : trial_(&trial),
      from_(checkpoint_iteration(folder.checkpoint())),
      log_(folder.metrics()),
      process_(arguments, full_dotconfig(trial.config),
               launch_of_ranks(launcher_here(), trial.config.run.ranks)) {
  pace_.kind = kind;
}

void RunningTrial::look() {
  const double now = watch_.seconds();
  for (const auto& row : log_.read()) {
    if (const auto* train = std::get_if<TrainRow>(&row)) take(*train, now);
    pace_.evaluations += std::holds_alternative<EvaluationRow>(row) && pace_.start_seconds;
    settle(now);
  }
}

void RunningTrial::settle(double now) {
  last_row_at_ = now;
  pace_.beside_seconds = std::max(0.0, now - pace_.start_seconds.value_or(now) - pace_.train_seconds);
}

// The first iteration of an attempt, which fills caches and chooses kernels, is a part of its start.
void RunningTrial::take(const TrainRow& row, double at) {
  if (last_) {
    const auto covered = static_cast<double>(row.iteration - last_->iteration);
    pace_.iterations += covered, pace_.train_seconds += covered * row.ms.value_or(0) / 1e3;
  } else {
    pace_.start_seconds = at;
  }
  last_ = row;
}

void RunningTrial::ended() {
  look();
  settle(watch_.seconds());
  pace_.ended = true;
}

std::optional<double> RunningTrial::seconds_left(const Forecast& forecast) const {
  std::optional<double> own;
  if (pace_.iterations >= kFewIterations) own = 1e3 * pace_.train_seconds / pace_.iterations;
  const auto done = static_cast<double>(last_ ? last_->iteration + 1 : from_);
  const auto left = forecast.seconds_from(pace_.kind, done, own);
  if (!left) return {};
  const double now = watch_.seconds();
  if (!last_) return *left + std::max(0.0, forecast.start_seconds() - now);
  // What it has done since it wrote its last row, which can't be more than until the next.
  const double speed = own ? *own : *forecast.ms(pace_.kind);
  const double until_next = speed / 1e3 * static_cast<double>(trial_->config.train.log_interval);
  return std::max(0.0, *left - std::min(now - last_row_at_, until_next));
}

TrialFacts RunningTrial::facts(const Forecast& forecast) const {
  TrialFacts facts;
  facts.label = label_of(*trial_);
  facts.iteration = last_ ? last_->iteration + 1 : from_;
  facts.iterations = trial_->config.train.max_iters;
  if (last_) facts.loss = last_->loss, facts.tokens_per_s = last_->tokens_per_s;
  facts.seconds_left = seconds_left(forecast);
  return facts;
}

}  // namespace kablate
