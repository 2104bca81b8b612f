// What the ranks of a trial do beside its updates, in step with one another.
#pragma once

#include <cstdint>
#include <optional>

#include "distributed/communicator.h"
#include "train/trainer.h"

namespace kablate {

// Throws Interrupted on every rank if a signal asked one of them to stop.
constexpr const char* kRanksStopped = "stopped by a signal";  // Interrupted's words
void throw_if_some_rank_stops(Communicator& ranks);

// When a trainer's state can be saved: where ranks share the optimizer's moments (SHARD_MOMENTS), the first
// one has it all only when all of them take part. Each rank has one of these and makes the same calls.
class SharedSave {
 public:
  SharedSave(const Trainer& trainer, Communicator& ranks);

  // Whether to save now: what the first rank says.
  bool due(bool first_says);

  // To be called on every rank when the first saves. Empty where the state was taken after this update
  // before: the others may have gone since.
  std::optional<TrainerState> state();

 private:
  const Trainer& trainer_;
  Communicator& ranks_;
  bool shared_;
  std::optional<std::int64_t> taken_at_;  // iteration
};

// Puts every rank's trainer where the first's is. The state is the same whatever their number.
void share_state(Trainer& trainer, Communicator& ranks);

// Throws WorkError on every rank if one has other weights than the first: their machines compute differently.
void check_same_weights(const Trainer& trainer, Communicator& ranks);

// What every rank but the first does: the same updates and evaluations, until the last, a stop or a loss that
// is no number. Nothing is written. Throws as throw_if_some_rank_stops().
void follow(Trainer& trainer, Communicator& ranks);

}  // namespace kablate
