// The files of a trial that is being trained: its claim on the folder, its log, its checkpoints, and what it
// leaves behind. Nothing is written once the claim was lost.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "record/claim.h"
#include "record/layout.h"
#include "record/metrics.h"
#include "record/summary.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

namespace kablate {

class TrialFiles {
 public:
  // `folder` and `claim` must outlive the object; the claim is on that folder. `key` is the trial's,
  // `arithmetic` this process's (measure/arithmetic.h).
  TrialFiles(const TrialFolder& folder, const Claim& claim, std::string key, std::string arithmetic);

  // Puts the trainer where the latest checkpoint that fits it, the key and the log has it, and opens the log
  // behind those rows; without such a checkpoint both begin at the start. What was not believed is named in
  // the trial's log. To be called first. Gives what the earlier attempts took.
  // Without a checkpoint of its own it goes on from one in `begun_in`, if that is not empty: a folder of the
  // same trial with another number of ranks. Its arithmetic is then "A+B", even where both are the same.
  Effort resume(Trainer& trainer, const std::filesystem::path& begun_in = {});

  // Of all that this trial was trained with: "A+B" where it went on from a checkpoint of another one.
  const std::string& arithmetic() const { return arithmetic_; }

  void append(const MetricsRow& row);

  // Says that the log now has every row of the iterations before the next: what a checkpoint then relies on.
  void mark_iteration();

  // Throws WorkError (disk full, claim lost).
  void save(const TrainerState& state, const Effort& effort);

  void write_sample(const Tokenizer& tokenizer, const std::string& text);
  void write_weights(const Trainer& trainer);  // the final ones
  // Summary (with the sums of the weights and the log) and DONE; the checkpoints go. REQUIRES: the weights
  // are written.
  void finish(TrialSummary summary);
  void fail(const Failure& failure);

 private:
  void throw_if_claim_lost() const;
  // Of a trial's folder with this key: takes its latest whole checkpoint; false if there is none.
  bool take_checkpoint(const TrialFolder& folder, const std::string& key, Trainer& trainer, Effort& effort,
                       std::string& before);
  bool take_from_other_ranks(const TrialFolder& other, Trainer& trainer, Effort& effort);

  const TrialFolder& folder_;
  const Claim& claim_;
  std::string key_, arithmetic_;
  std::unique_ptr<MetricsLog> log_;
  LogMark mark_;
  std::string weights_sha256_;  // as they were written
};

}  // namespace kablate
