#include "train/trial_files.h"

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "plan/key.h"
#include "record/reader.h"
#include "record/writer.h"

namespace kablate {

namespace {

// What went on from a checkpoint of another arithmetic is of both, and of neither.
std::string gone_on(const std::string& before, const std::string& here) {
  if (before == here || before.ends_with("+" + here)) return before;
  log_warning(
      "going on with another processor, library or variable than before (environment.json, arithmetic): this "
      "trial's numbers are not paired with any other's");
  return before + "+" + here;
}

}  // namespace

TrialFiles::TrialFiles(const TrialFolder& folder, const Claim& claim, std::string key, std::string arithmetic)
    : folder_(folder), claim_(claim), key_(std::move(key)), arithmetic_(std::move(arithmetic)) {}

bool TrialFiles::take_checkpoint(const TrialFolder& folder, const std::string& key, Trainer& trainer,
                                 Effort& effort, std::string& before) {
  return load_checkpoint(folder.checkpoint(), [&](const Checkpoint& checkpoint) {
    if (checkpoint.key != key) throw WorkError("it has another trial's key");
    check_log(folder, checkpoint.log);
    trainer.restore(checkpoint.trainer);
    effort = checkpoint.effort, effort.interruptions += 1;
    mark_ = checkpoint.log;
    before = checkpoint.arithmetic;
  });
}

// Sums were made in another order before: it is a trial of both numbers, and of neither.
bool TrialFiles::take_from_other_ranks(const TrialFolder& other, Trainer& trainer, Effort& effort) {
  std::string before;
  if (!take_checkpoint(other, key_of(read_key_text(other)), trainer, effort, before)) return false;
  std::filesystem::copy_file(other.metrics(), folder_.metrics(),
                             std::filesystem::copy_options::overwrite_existing);
  log_warning(str("going on from iteration ", trainer.iteration(), " of ", other.path().string(),
                  ", which had another number of ranks: this is another trial than one of either number, and "
                  "its numbers are not paired with any other's"));
  arithmetic_ = before + "+" + arithmetic_;
  return true;
}

Effort TrialFiles::resume(Trainer& trainer, const std::filesystem::path& begun_in) {
  Effort effort;
  std::string before;
  std::error_code ignored;
  const bool begun = std::filesystem::exists(folder_.checkpoint(), ignored);
  if (take_checkpoint(folder_, key_, trainer, effort, before)) {
    log_info(str("going on from iteration ", trainer.iteration()));
    arithmetic_ = gone_on(before, arithmetic_);
  } else if (!begun_in.empty() && take_from_other_ranks(TrialFolder(begun_in), trainer, effort)) {
  } else if (begun) {
    log_warning("no checkpoint can be gone on from: the trial begins again");
  }
  log_ = std::make_unique<MetricsLog>(folder_, mark_);
  return effort;
}

void TrialFiles::append(const MetricsRow& row) { log_->append(row); }

void TrialFiles::mark_iteration() { mark_ = log_->mark(); }

void TrialFiles::throw_if_claim_lost() const {
  if (!claim_.held())
    throw WorkError(
        "another process took this trial over while this one stood still; nothing more is written here");
}

void TrialFiles::save(const TrainerState& state, const Effort& effort) {
  throw_if_claim_lost();
  log_->flush();
  save_checkpoint(folder_.checkpoint(),
                  {.key = key_, .arithmetic = arithmetic_, .trainer = state, .log = mark_, .effort = effort});
}

void TrialFiles::write_sample(const Tokenizer& tokenizer, const std::string& text) {
  throw_if_claim_lost();
  write_file(folder_.tokenizer(), json_text(tokenizer.to_json()));
  write_file(folder_.sample(), text + "\n");
}

void TrialFiles::write_weights(const Trainer& trainer) {
  throw_if_claim_lost();
  weights_sha256_ = write_safetensors(folder_.weights(), trainer.session().parameters.by_name());
  write_file(folder_.weights_checksum(), weights_sha256_ + "  weights.safetensors\n");
}

void TrialFiles::finish(TrialSummary summary) {
  throw_if_claim_lost();
  log_->flush();
  summary.weights_sha256 = weights_sha256_;
  summary.metrics_sha256 = log_->mark().sha256;
  throw_if_claim_lost();
  finish_trial(folder_, summary);
  std::error_code ignored;  // of no use any more; a rest of it does no harm
  std::filesystem::remove_all(folder_.checkpoint(), ignored);
}

void TrialFiles::fail(const Failure& failure) {
  throw_if_claim_lost();
  write_failure(folder_, failure);
}

}  // namespace kablate
