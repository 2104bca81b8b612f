// Data that are made from a seed, sequence by sequence (data/synthetic_task.h); nothing is read. Sequence j
// of the training set is a function of (data's seed, settings of the task, j), sequence j of the test set of
// (settings, j): the same for every trial.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "data/dataset.h"
#include "data/synthetic_task.h"

namespace kablate {

class SyntheticDataset final : public Dataset {
 public:
  // Throws UserError as check_synthetic() does. `seed` makes the training split that windows() gives.
  explicit SyntheticDataset(const Config& config, std::uint64_t seed = 0);

  // SYNTHETIC_TRAIN sequences, each once an epoch, in a keyed order; with 0 of them sequence g is sample g.
  // REQUIRES: `T`, here and below, is GPT2_BLOCK_SIZE.
  Batch samples(std::uint64_t seed, std::uint64_t first, std::int64_t count, std::int64_t T) const override;
  // With SYNTHETIC_TRAIN = 0 the training split is the first SYNTHETIC_TEST samples.
  std::int64_t num_windows(Split split, std::int64_t T) const override;
  Batch windows(Split split, std::span<const std::int64_t> numbers, std::int64_t T) const override;

  std::shared_ptr<const Dataset> with_seed(std::uint64_t seed) const override;

  // Of the task alone: its settings and the context are symbols, which steps may set and a trial's key holds.
  std::string hash() const override;

 private:
  SyntheticDataset(const SyntheticDataset&) = default;
  Batch batch(std::uint64_t key, bool tests, std::span<const std::int64_t> numbers) const;
  std::uint64_t training_key(std::uint64_t seed) const;

  DataConfig data_;
  std::int64_t T_;
  std::uint64_t seed_;
  std::shared_ptr<const SyntheticTask> task_;
};

}  // namespace kablate
