// Linear maps of each head's channels alone, as products of a batch of heads.
#pragma once

#include "model/linear.h"
#include "model/pass.h"

namespace kablate {

// y [B, T, H·out] of x [B, T, H·in]: channels h·in … of position t, by map h ÷ (H / G) of G maps [G, out, in]
// with biases [G, out] or none, make channels h·out …. In the pass's type. REQUIRES: G divides H.
//   y[b,t,h,o] = Σ_i x[b,t,h,i]·W[g,o,i] + bias[g,o]
Tensor linear_by_head(const Tensor& x, const LinearMap& maps, std::int64_t H, const Pass& pass);

}  // namespace kablate
