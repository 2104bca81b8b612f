// Causal attention from queries, keys and values, written out: scores, softmax, weighted values. The plain
// reference that a faster kernel will stand beside.
#pragma once

#include <string>

#include "model/pass.h"

namespace kablate {

// Reciprocal attention (spec, section 2): inside the band 0 <= t-s <= window,
// Z[t,s] <- Z[t,s] + alpha · Z[s,t], from the scores before the addition.
struct Reciprocal {
  double alpha = 0;  // 0 is off
  std::int64_t window = 0;
};

struct Attended {
  Tensor values_BTHD;   // P·v
  Tensor weights_BHTT;  // P before dropout, float32 (float64 in a float64 pass)
};

// q, k, v [B, T, H, D]; P = softmax over s <= t of scale · q·kᵀ. `site` names the dropout of P.
Attended attend(const Tensor& q_BTHD, const Tensor& k_BTHD, const Tensor& v_BTHD, double scale,
                const Reciprocal& reciprocal, const std::string& site, const Pass& pass);

}  // namespace kablate
