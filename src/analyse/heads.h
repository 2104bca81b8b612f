// What each head of a trained model attends to on sequences that say everything twice, and whether it copies
// (Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Olsson et al. 2022, "In-context
// Learning and Induction Heads"). Nothing is trained.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "model/gpt.h"
#include "record/heads_record.h"

namespace kablate {

// [count, 2·length]: r r, r random of `ids`, distinct where there are `length` of them. Sequence n depends on
// (seed, n), on `ids` and on `length` alone.
Tensor repeated_sequences(const std::vector<std::int64_t>& ids, std::int64_t length, std::int64_t count,
                          std::int64_t seed);

// Fills the losses and the heads, by heads_record.h. Sequences [n, 2·length], each half the other's copy,
// length >= 2, on the model's device; the model should compute in float64. `between` is called before each
// sequence; it may throw to stop. Throws WorkError where the weights are no numbers. REQUIRES: the model is
// causal.
HeadsRecord look_at_heads(const Gpt& model, const Tensor& sequences, const std::function<void()>& between);

}  // namespace kablate
