// Sequences as the model takes them.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace kablate {

constexpr std::int64_t kIgnoreIndex = -1;  // a target that has no loss

struct Batch {
  at::Tensor inputs = {};   // [B, T] int64, on the CPU
  at::Tensor targets = {};  // [B, T] int64: what is to be said at each position, or kIgnoreIndex
  at::Tensor weights = {};  // [B, T] float32, of each target's loss; undefined: 1
  at::Tensor draws =
      {};                // [B, T] float64 in [0, 1), by which masked positions are filled; undefined: none is
  at::Tensor keep = {};  // [B, T] bool, of the positions that are no padding; undefined: all
  // [B] the sequences' numbers among the training samples (the key of dropout) or the windows of their split.
  std::vector<std::uint64_t> samples = {};
};

}  // namespace kablate
