// Mechanism 3, latent reciprocity (spec, section 3): a coupler between the MLP's hidden values u [B, T, F]
// and the attention's latent keys c_k [B, T, L], in both directions, with three ways of tying them.
#pragma once

#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

class LatentCoupler {
 public:
  // A layer that makes no context has no maps towards the latent space. REQUIRES: the layer has the
  // mechanism.
  LatentCoupler(const LayerSpec& layer, const ParameterSet& parameters);

  Tensor enrich(const Tensor& keys_BTL, const Pass& pass) const;  // attention to MLP, [B, T, F]
  Tensor context(const Tensor& u_BTF,
                 const Pass& pass) const;  // MLP to attention, [B, T, L], for the block above

 private:
  Tying tying_;
  std::int64_t F_, L_, H_;
  Tensor W_;                             // tied_transpose, [F, L]
  LinearMap attn_to_mlp_;                // untied, [F, L]
  LinearMap mlp_down_, mlp_to_attn_;     // untied; mlp_down_ only through a bottleneck
  Tensor alpha_to_mlp_, alpha_to_attn_;  // per_head_scalar, [H]
};

}  // namespace kablate
