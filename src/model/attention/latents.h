// What both forms of latent attention are made of: latents, as the maps up read them, and the rotary part
// that stands beside a head's own channels.
#pragma once

#include <cstdint>
#include <string>

#include "model/kernel/fused_norm.h"
#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

// Where a latent comes from, [B, T, L]: a map of the input or its first channels; and its norm.
class LatentSourceMap {
 public:
  LatentSourceMap() = default;
  // With `map` undefined the first L channels of the input; `norm_weight` undefined: no norm.
  LatentSourceMap(LinearMap map, std::int64_t L, Tensor norm_weight, double epsilon);

  Tensor operator()(const Tensor& x_BTE, const Pass& pass) const;

  // The same as one map of E channels, without the norm: [L, E].
  Tensor map(std::int64_t E, const at::TensorOptions& options) const;

 private:
  LinearMap map_;
  std::int64_t L_ = 0;
  NormFunction norm_;
  bool normed_ = false;
};

// RMSNorm of x [..., L] in the pass's type.
Tensor normed_latent(const Tensor& x, const NormFunction& norm, const Pass& pass);

// What a map up reads of a latent.
inline Tensor scaled_latent(const Tensor& c, double scale) { return scale == 1 ? c : c * scale; }

// x [B, T, J, R] turned by its positions; x's memory becomes the result's (prepared_heads()).
Tensor turned(const Tensor& x_BTJR, const Pass& pass);

// A head's own channels before its rotary ones: [B, T, H, D] and [B, T, H or 1, R] to [B, T, H, D + R].
Tensor beside(const Tensor& own_BTHD, const Tensor& rotary_BTJR);

// scores [B, H, t] of one token's rotary queries [B, H, R] with the rotary keys [B, t, R], not scaled.
Tensor rotary_scores(const Tensor& q_BHR, const Tensor& k_BtR, const Pass& pass);

}  // namespace kablate
