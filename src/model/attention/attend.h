// Attention from queries, keys and values: by the kernels where they serve; else by LibTorch's
// scaled_dot_product_attention; written out where neither does.
#pragma once

#include <string>

#include "model/attention/reciprocal.h"
#include "model/attention/rows.h"
#include "model/pass.h"

namespace kablate {

// P = softmax over the s that the pass's span lets t see of scale · q·kᵀ, and of the reciprocal term; values
// P·v. Query head h reads head h ÷ (H/K) of keys and values, K a divisor of H.
struct AttentionInput {
  AttentionInput(Tensor q_BTHD, Tensor k_BTKD, Tensor v_BTKC, double scale)
      : q(std::move(q_BTHD)), k(std::move(k_BTKD)), v(std::move(v_BTKC)), scale(scale) {}
  // H heads of queries, then as many of keys as of values, packed, [B, T, H + 2K, D], whose gradient is made
  // packed as well where kernels make it.
  AttentionInput(Tensor qkv_BTJD, std::int64_t H, double scale)
      : q(qkv_BTJD.narrow(2, 0, H)),
        k(qkv_BTJD.narrow(2, H, (qkv_BTJD.size(2) - H) / 2)),
        v(qkv_BTJD.narrow(2, H + k.size(2), k.size(2))),
        packed(std::move(qkv_BTJD)),
        scale(scale) {}

  Tensor q, k, v;  // [B, T, H, D], [B, T, K, D], [B, T, K, C]
  Tensor packed;   // undefined: they were not
  double scale = 1;
  Reciprocal reciprocal = {};  // REQUIRES: K = H, where it is on
  std::string site = {};       // of the dropout of P, which rows are taken before
};

struct Attended {
  Tensor values_BTHC;  // P·v
  AttentionRows rows;
};

Attended attend(const AttentionInput& input, const RowsRequest& rows, const Pass& pass);

// Scores, softmax, weighted values, one after the other, with P of every head as rows: the plain reference.
// It also serves in float64, and where the kernels do not (other devices and CPUs, KERNELS = portable, heads
// that are odd in bfloat16 or wider than 256, padding, dropout over a T that is no multiple of 4, and
// reciprocal attention that is not causal) under dropout and for reciprocal attention, which LibTorch's
// attention has not.
Attended attend_written_out(const AttentionInput& input, const Pass& pass);

}  // namespace kablate
