#include "runner/verify.h"

#include <algorithm>
#include <optional>

#include <ATen/Parallel.h>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop_signal.h"
#include "base/text.h"
#include "data/sample_order.h"
#include "measure/machine.h"
#include "model/kernel/choice.h"
#include "plan/key.h"
#include "record/comparison.h"
#include "record/environment.h"
#include "record/reader.h"
#include "report/render.h"
#include "report/table_difference.h"
#include "runner/retrain.h"
#include "runner/running_trial.h"
#include "runner/timing.h"
#include "train/closing.h"

namespace kablate {
namespace {

class Verifier {
 public:
  Verifier(const Program& program, bool retrains, const std::function<void(const TrialFinding&)>& found)
      : program_(program), retrains_(retrains), found_(found), keys_(program) {}

  Verification run(const std::vector<TrialFolder>& trials);

 private:
  void examine(const TrialFolder& folder);
  std::string closing(const StoredTrial& trial);
  void judge(std::size_t place, const RetrainEnd& end);
  void put(std::size_t place, VerifyOutcome verdict, const std::string& text);

  struct Job {
    StoredTrial stored;
    Retraining again;
    std::size_t place;  // among the findings
  };

  const Program& program_;
  bool retrains_;
  const std::function<void(const TrialFinding&)>& found_;
  KeysHere keys_;
  ScratchFolder scratch_;
  std::vector<std::string> labels_;
  std::vector<std::optional<TrialFinding>> findings_;  // empty: to be trained again
  std::vector<Job> jobs_;
  std::size_t told_ = 0;
  Verification result_;
};

void Verifier::put(std::size_t place, VerifyOutcome verdict, const std::string& text) {
  findings_[place] = TrialFinding{verdict, labels_[place], text};
  for (; told_ < findings_.size() && findings_[told_]; ++told_) {
    result_.findings.push_back(*findings_[told_]);
    found_(*findings_[told_]);
  }
}

// What can be said without training; else the trial becomes a job.
void Verifier::examine(const TrialFolder& folder) {
  const std::size_t place = findings_.size();
  std::error_code ignored;
  if (!std::filesystem::exists(folder.done(), ignored)) {
    ++result_.unfinished;
    return;
  }
  findings_.emplace_back();
  labels_.push_back(label_of(folder));
  std::optional<StoredTrial> stored;
  try {
    stored = read_stored_trial(folder, program_);
  } catch (const UserError& fault) {
    return put(place, VerifyOutcome::kDamaged, str("damaged: ", fault.what()));
  }
  labels_[place] = stored->label();
  if (const auto damage = find_damage(folder, stored->summary); !damage.empty())
    return put(place, VerifyOutcome::kDamaged, "damaged: " + join(damage, "; "));
  const std::string here = keys_.text(*stored);
  if (here != stored->key_text)
    return put(
        place, VerifyOutcome::kRefused,
        "refused: what it was made by differs: " + join(key_differences(stored->key_text, here), ", "));
  if (const auto fault = closing(*stored); !fault.empty())
    return put(place, VerifyOutcome::kFalse, "closing failed: " + fault);
  if (!retrains_)
    return put(place, VerifyOutcome::kClosed,
               "files whole, and the weights give the validation loss; not trained again");
  const TrialFolder again(scratch_.path() / folder.path().lexically_normal().filename());
  jobs_.push_back({*stored, {again, stored->config, order_again(*stored, key_of(here), program_)}, place});
}

// What the weights say against the summary's loss and the log's last evaluation.
std::string Verifier::closing(const StoredTrial& trial) {
  EvaluationRow recorded;
  for (const auto& row : read_metrics(trial.folder))
    if (const auto* evaluation = std::get_if<EvaluationRow>(&row)) recorded = *evaluation;
  recorded.val_loss = trial.summary.val_loss;
  at::set_num_threads(static_cast<int>(trial.threads));
  use_kernels(trial.config.run.kernels, resolve_device(trial.config.run.device));
  const auto data = as_trained_on(keys_.data(trial), data_seed(trial.config.data, trial.summary.seed));
  return closing_fault(trial.config, trial.folder.weights(), recorded, *data, throw_if_stop_requested);
}

void Verifier::judge(std::size_t place, const RetrainEnd& end) {
  const Job& job = jobs_[place];
  if (!end.summary) {
    result_.kept.push_back(job.again.folder.path());
    return put(job.place, VerifyOutcome::kFailed, "failed when trained again: " + end.failure);
  }
  const auto comparison =
      compare_results(job.stored.folder, job.stored.summary, job.again.folder, *end.summary);
  if (!comparison.equal()) {
    result_.kept.push_back(job.again.folder.path());
    const auto causes =
        environment_causes(read_environment(job.stored.folder), read_environment(job.again.folder));
    return put(job.place, VerifyOutcome::kDiffers,
               str("differs: ", comparison.describe(),
                   causes.empty() ? "" : "; not as it was there: " + join(causes, ", ")));
  }
  std::error_code ignored;
  std::filesystem::remove_all(job.again.folder.path(), ignored);
  put(job.place, VerifyOutcome::kEqual, "equal");
}

Verification Verifier::run(const std::vector<TrialFolder>& trials) {
  try {
    for (const auto& folder : trials) examine(folder);
  } catch (const Interrupted&) {
    result_.interrupted = true;
  }
  if (result_.interrupted || jobs_.empty()) return result_;
  std::int64_t threads = 1;
  std::vector<Retraining> retrainings;
  for (const auto& job : jobs_) {
    threads = std::max(threads, job.stored.threads);
    retrainings.push_back(job.again);
  }
  const Config& first = jobs_.front().stored.config;
  const auto parallel = std::min<std::int64_t>(
      parallel_trials(first, threads, resolve_device(first.run.device)), std::ssize(jobs_));
  log_info(str("training ", jobs_.size(), jobs_.size() == 1 ? " trial" : " trials", " again, up to ",
               parallel, " at once, in ", scratch_.path().string()));
  result_.interrupted =
      !retrain(retrainings, parallel, [&](std::size_t place, const RetrainEnd& end) { judge(place, end); });
  if (!result_.interrupted && !result_.kept.empty()) scratch_.keep();
  return result_;
}

}  // namespace

Verification verify_trials(const std::vector<TrialFolder>& trials, const Program& program, bool retrains,
                           const std::function<void(const TrialFinding&)>& found) {
  return Verifier(program, retrains, found).run(trials);
}

std::vector<std::string> verify_table(const ExperimentFolder& folder) {
  return table_differences(read_text(folder.report_csv()), render_csv(make_report(folder)));
}

}  // namespace kablate
