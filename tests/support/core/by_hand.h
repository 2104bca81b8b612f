// A model whose numbers are easily made by hand.
#pragma once

#include <cstdint>

#include "support/configure.h"

namespace kablate {

using Int = std::int64_t;

// Multi-head attention: E 8, H 2, D 4, F 32, V 10, T 4
inline const Deltas kByHand = Deltas{{"GPT2_N_LAYER", "2"},
                                     {"GPT2_N_HEAD", "2"},
                                     {"GPT2_N_EMBD", "8"},
                                     {"GPT2_BLOCK_SIZE", "4"},
                                     {"GPT2_VOCAB_SIZE", "10"},
                                     {"GPT2_BATCH_SIZE", "3"},
                                     {"GPT2_GRADIENT_ACCUMULATION", "2"},
                                     {"GPT2_BIAS", "n"},
                                     {"GPT2_DROPOUT", "0"},
                                     {"ENABLE_RA_MLA", "n"}} +
                              mechanisms(false, false, false);

}  // namespace kablate
