// Causal attention from queries, keys and values: by the kernels where they serve; else by LibTorch's
// scaled_dot_product_attention; written out where neither does.
#pragma once

#include <string>

#include "model/attention/reciprocal.h"
#include "model/attention/rows.h"
#include "model/pass.h"

namespace kablate {

struct Attended {
  Tensor values_BTHD;  // P·v
  AttentionRows rows;
};

// q, k, v [B, T, H, D]; P = softmax over s <= t of scale · q·kᵀ. `site` names the dropout of P, which
// rows are taken before.
Attended attend(const Tensor& q_BTHD, const Tensor& k_BTHD, const Tensor& v_BTHD, double scale,
                const Reciprocal& reciprocal, const RowsRequest& rows, const std::string& site,
                const Pass& pass);

// The same of [q k v] packed, [B, T, 3, H, D], without a reciprocal term.
Attended attend(const Tensor& qkv_BT3HD, double scale, const RowsRequest& rows, const std::string& site,
                const Pass& pass);

// Scores, softmax, weighted values, one after the other, with P of every head as rows: the plain reference.
// It also serves in float64, and where the kernels do not (other devices and CPUs, KERNELS = portable, heads
// that are odd in bfloat16 or wider than 256, dropout over a T that is no multiple of 4) under dropout and
// for reciprocal attention, which LibTorch's attention has not.
Attended attend_written_out(const Tensor& q_BTHD, const Tensor& k_BTHD, const Tensor& v_BTHD, double scale,
                            const Reciprocal& reciprocal, const std::string& site, const Pass& pass);

}  // namespace kablate
