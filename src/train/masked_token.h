// The objective of masked models: to say the tokens that were masked, by what stands on both sides of them.
#pragma once

#include <cstdint>
#include <memory>

#include "train/objective.h"

namespace kablate {

// Terms:
//   loss        mean cross entropy of the masked tokens, the softmax without the mask token: over all of
//               them, or, where each sequence has a rate of its own, over sequences their weighted sums
//               (train/masking.h)
//   unit_gate, expert_balance   as of the next token; of the first pass, where a critic asks for a second
//   critic      with CRITIC = y: masked positions are filled by draws from the model (no gradient,
//               temperature 1, ids below the mask token), a second pass reads what came of it, and the critic
//               says of each filled token whether it is another than stood there: mean binary cross entropy,
//               by CRITIC_WEIGHT
//   critic_accuracy, critic_changed   how many of those it judges rightly at even odds, and how many are
//               another, which who always says so would reach; watched only
std::shared_ptr<const Objective> make_masked_token(const Config& config, std::int64_t mask_token);

}  // namespace kablate
