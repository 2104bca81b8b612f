// What decoding token by token keeps of the past, by block (spec, section 3, "Decode cache"). Values that the
// caller owns and hands down with each step; no module keeps any of it.
#pragma once

#include <cstdint>
#include <vector>

#include "model/dims.h"

namespace kablate {

// A row for each past token, in memory for `capacity` of them, taken with the first row; for twice as many
// whenever it is full.
class History {
 public:
  explicit History(std::int64_t capacity) : capacity_(capacity) {}

  // Adds rows [B, n, ...] and gives all so far, [B, t, ...]: a view, valid until the next call of append.
  Tensor append(const Tensor& rows);

  double bytes_per_token() const;  // of one sequence; 0 where nothing was ever kept

 private:
  std::int64_t capacity_, length_ = 0;
  Tensor rows_;  // [B, capacity, ...]
};

struct AttentionCache {
  explicit AttentionCache(std::int64_t capacity) : keys(capacity), values(capacity), rotary(capacity) {}

  History keys, values;  // MHA k and v [B, t, K, D]; MLA c_k and c_v [B, t, L], keys alone where one serves
                         // as both
  History rotary;        // MLA: the rotary key that all heads read, turned, [B, t, R]
  Tensor queries;        // reciprocal attention: q of the last W tokens, [B, min(t, W), H, D]
};

struct BlockCache {
  explicit BlockCache(std::int64_t capacity) : attention(capacity), cross(capacity) {}

  AttentionCache attention;
  History cross;       // mechanism 2: what the rows are routed over, u or its map down
  Tensor gate_sum_BG;  // mechanism 1, causal mean: u·gate_proj summed over the tokens so far, float32
};

struct DecodeCache {
  // For `num_layers` blocks and at first `capacity` tokens.
  DecodeCache(std::int64_t num_layers, std::int64_t capacity) : blocks(num_layers, BlockCache(capacity)) {}

  std::vector<BlockCache> blocks;
  std::int64_t length = 0;  // tokens seen

  // Bytes really held for one sequence: that grow with each token, and the rest (the window's queries count
  // as far as it is filled). shape/'s formulas give the same, but that they count every number at DTYPE's
  // width: the gate's sum is float32 in bfloat16 too, where adding up would lose its digits.
  double bytes_per_token() const;
  double bytes_fixed() const;
};

}  // namespace kablate
