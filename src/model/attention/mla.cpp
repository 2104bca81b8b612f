#include <cmath>

#include <ATen/ATen.h>

#include "model/attention/attention.h"

namespace kablate {

LatentAttention::LatentAttention(const Config& config, const ParameterSet& parameters,
                                 const std::string& prefix)
    : config_(config.attention),
      reciprocal_{.alpha = config.attention.reciprocal_alpha, .window = config.attention.reciprocal_window},
      H_(config.gpt.num_heads),
      D_(config.head_dim()),
      L_(config.attention.latent_dim),
      site_(prefix + "attn.weights") {
  const auto get = [&](const char* name) { return parameters[prefix + "attn." + name]; };
  q_weight_ = get("q_proj.weight");
  k_down_ = get(config_.shared_kv ? "kv_down.weight" : "k_down.weight");
  if (!config_.shared_kv) v_down_ = get("v_down.weight");
  q_to_latent_ = get(config_.per_head_q_latent ? "q_to_latent" : "q_to_latent_shared.weight");
  v_up_ = get(config_.per_head_v_up ? "v_up" : "v_up_shared.weight");
  out_weight_ = get("out_proj.weight");
}

// (q·A_h)·c_k = q·(c_k·A_hᵀ): scoring with keys D wide gives the same number as scoring in the latent space,
// and is cheaper in training where L > D or T is long.
Tensor LatentAttention::heads_from_keys(const Tensor& c_k_BTL, const Pass& pass) const {
  const auto B = c_k_BTL.size(0), T = c_k_BTL.size(1);
  if (config_.per_head_q_latent)  // k[b,t,h,d] = Σ_l c_k[b,t,l] A[h,d,l]
    return linear(c_k_BTL, q_to_latent_.view({H_ * D_, L_}), {}, pass).view({B, T, H_, D_});
  return linear(c_k_BTL, q_to_latent_.t(), {}, pass).unsqueeze(2).expand({B, T, H_, D_});
}

Tensor LatentAttention::heads_from_values(const Tensor& c_v_BTL, const Pass& pass) const {
  const auto B = c_v_BTL.size(0), T = c_v_BTL.size(1);
  if (config_.per_head_v_up)  // v[b,t,h,d] = Σ_l c_v[b,t,l] U[h,l,d]
    return linear(c_v_BTL, v_up_.transpose(1, 2).reshape({H_ * D_, L_}), {}, pass).view({B, T, H_, D_});
  return linear(c_v_BTL, v_up_, {}, pass).unsqueeze(2).expand({B, T, H_, D_});
}

AttentionOutput LatentAttention::attend(const Tensor& x_BTE, const Tensor& key_addition_BTL,
                                        const Pass& pass) const {
  const auto B = x_BTE.size(0), T = x_BTE.size(1);
  const Tensor x = x_BTE.to(pass.dtype);
  const Tensor q_BTHD = linear(x, q_weight_, {}, pass).view({B, T, H_, D_});
  const Tensor c_BTL = linear(x, k_down_, {}, pass);
  const Tensor c_k_BTL = key_addition_BTL.defined() ? c_BTL + key_addition_BTL : c_BTL;
  const Tensor c_v_BTL = config_.shared_kv ? c_BTL : linear(x, v_down_, {}, pass);
  const double scale = 1 / std::sqrt(static_cast<double>(L_));
  const auto [o_BTHD, p_BHTT] =
      kablate::attend(q_BTHD, heads_from_keys(c_k_BTL, pass), heads_from_values(c_v_BTL, pass), scale,
                      reciprocal_, site_, pass);
  return {.heads_BTHD = o_BTHD, .weights_BHTT = p_BHTT, .keys_BTL = c_k_BTL};
}

Tensor LatentAttention::project(const Tensor& heads_BTHD, const Pass& pass) const {
  return linear(heads_BTHD.flatten(2), out_weight_, {}, pass);
}

std::unique_ptr<Attention> make_attention(const Config& config, const ParameterSet& parameters,
                                          const std::string& prefix) {
  if (config.attention.latent) return std::make_unique<LatentAttention>(config, parameters, prefix);
  return std::make_unique<MultiHeadAttention>(config, parameters, prefix);
}

}  // namespace kablate
