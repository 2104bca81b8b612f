// What the ranks of a trial do beside its updates, in step with one another.
#pragma once

#include "distributed/communicator.h"
#include "train/trainer.h"

namespace kablate {

// Throws Interrupted on every rank if a signal asked one of them to stop.
void throw_if_some_rank_stops(Communicator& ranks);

// Puts every rank's trainer where the first's is. The state is the same whatever their number.
void share_state(Trainer& trainer, Communicator& ranks);

// Throws WorkError on every rank if one has other weights than the first: their machines compute differently.
void check_same_weights(const Trainer& trainer, Communicator& ranks);

// What every rank but the first does: the same updates and evaluations, until the last, a stop or a loss that
// is no number. Nothing is written. Throws as throw_if_some_rank_stops().
void follow(Trainer& trainer, Communicator& ranks);

}  // namespace kablate
