// How large the rounding errors of attention must be: an error analysis to hold the kernels against.
#pragma once

#include <ATen/ATen.h>

#include "model/attention/reciprocal.h"

namespace kablate {

struct AttentionCase {
  at::Tensor q_BTHD, k_BTKD, v_BTKC, above_BTHC;  // float64
  double scale = 1;
  Reciprocal reciprocal;
  at::Tensor kept_BHTT;        // what weights are multiplied by: 0 or 1/(1-p); undefined without dropout
  at::Tensor rows_above_BHTT;  // gradient of P itself; undefined where rows are not used
  bool causal = true;
};

// Standard deviations of ‖error‖ of each tensor.
struct AttentionRounding {
  double o = 0, q = 0, k = 0, v = 0;
};

// Where P before its product with V, o, dS before its products with K and Q, and all results are rounded,
// each to a relative error of standard deviation `r`, and nothing else is:
//
//   o  = P·V         δP = rP
//   Δ  = Σ_d dO·o    from the rounded o: δΔ² = r²(Σ_s P²dP² + Σ_d dO²o²), one error for all of a row
//   dS = P(dP - Δ)   δdS = rdS - P·δΔ; dQ = scale·dS·K, dK = scale·dSᵀ·Q, dV = Pᵀ·dO
//
// and each result once more by r; dK and dV are sums over the heads of queries that read a head of keys.
// Errors of different numbers are independent, so variances add up.
AttentionRounding attention_rounding(const AttentionCase& c, double r);

}  // namespace kablate
