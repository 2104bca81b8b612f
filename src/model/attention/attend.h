// Causal attention from queries, keys and values: the kernels where they serve, or written out.
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

// Scores, softmax, weighted values, one after the other, with P of every head as rows: the plain reference,
// which also serves wherever the kernels do not: in float64, on other devices and CPUs, for heads that are
// odd in bfloat16 or wider than 256, and for dropout over a T that is no multiple of 4.
Attended attend_written_out(const Tensor& q_BTHD, const Tensor& k_BTHD, const Tensor& v_BTHD, double scale,
                            const Reciprocal& reciprocal, const std::string& site, const Pass& pass);

}  // namespace kablate
