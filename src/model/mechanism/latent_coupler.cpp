#include "model/mechanism/latent_coupler.h"

#include <ATen/ATen.h>

namespace kablate {
namespace {

// scalars[⌊i·H/n⌋] for i in [0, n)
Tensor spread(const Tensor& scalars_H, std::int64_t n) {
  const Tensor i = at::arange(n, scalars_H.options().dtype(at::kLong).requires_grad(false));
  return scalars_H.index_select(0, at::floor_divide(i * scalars_H.size(0), n));
}

}  // namespace

LatentCoupler::LatentCoupler(const LayerSpec& layer, const ParameterSet& parameters)
    : tying_(layer.coupler->tying), F_(layer.F), L_(layer.L), H_(layer.H) {
  const std::string name = layer.prefix + "mlp.coupler.";
  const bool context = layer.makes_context;
  switch (tying_) {
    case Tying::kTiedTranspose:
      W_ = parameters[name + "W"];
      break;
    case Tying::kUntied:
      attn_to_mlp_ = parameters.map(name + "attn_to_mlp");
      if (context && layer.coupler->bottleneck > 0) mlp_down_ = parameters.map(name + "mlp_down");
      if (context) mlp_to_attn_ = parameters.map(name + "mlp_to_attn");
      break;
    case Tying::kPerHeadScalar:
      alpha_to_mlp_ = parameters[name + "alpha_attn_to_mlp"];
      if (context) alpha_to_attn_ = parameters[name + "alpha_mlp_to_attn"];
      break;
  }
}

Tensor LatentCoupler::enrich(const Tensor& keys_BTL, const Pass& pass) const {
  switch (tying_) {
    case Tying::kTiedTranspose:
      return linear(keys_BTL, W_, {}, pass);  // c_k·Wᵀ
    case Tying::kUntied:
      return linear(keys_BTL, attn_to_mlp_, pass);
    case Tying::kPerHeadScalar:
      break;
  }
  // L divides F, so that channel f reads latent ⌊f·L/F⌋: every latent stands F/L times in a row.
  return keys_BTL.repeat_interleave(F_ / L_, -1) * spread(alpha_to_mlp_, F_).to(pass.dtype);
}

Tensor LatentCoupler::context(const Tensor& u_BTF, const Pass& pass) const {
  switch (tying_) {
    case Tying::kTiedTranspose:
      return linear(u_BTF, W_.t(), {}, pass);  // u·W
    case Tying::kUntied:
      return linear(mlp_down_.weight.defined() ? linear(u_BTF, mlp_down_, pass) : u_BTF, mlp_to_attn_, pass);
    case Tying::kPerHeadScalar:
      break;
  }
  const Tensor mean_BTL = u_BTF.unflatten(-1, {L_, F_ / L_}).mean(-1);
  return mean_BTL * spread(alpha_to_attn_, L_).to(pass.dtype);
}

}  // namespace kablate
