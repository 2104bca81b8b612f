// Token ids as the model takes them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include <ATen/core/Tensor.h>

#include "data/dataset.h"
#include "data/sample_order.h"

namespace kablate {

constexpr std::int64_t kIgnoreIndex = -1;  // a target that has no loss

struct Batch {
  at::Tensor inputs;                   // [B, T] int64, on the CPU
  at::Tensor targets;                  // [B, T] int64; targets[b, t] is the token after inputs[b, t]
  std::vector<std::uint64_t> samples;  // [B] sample numbers, the key of dropout; empty in evaluation
};

// The windows of `context` tokens at `starts`, without sample numbers.
Batch make_batch(const TokenStream& tokens, std::span<const std::int64_t> starts, std::int64_t context);

// Samples first, …, first + count - 1 of the order.
Batch training_batch(const TokenStream& tokens, const SampleOrder& order, std::uint64_t first,
                     std::int64_t count);

}  // namespace kablate
