#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "model/attention/attention.h"

namespace kablate {

LatentAttention::LatentAttention(const LayerSpec& layer, const ParameterSet& parameters)
    : per_head_q_latent_(layer.per_head_q_latent),
      per_head_v_up_(layer.per_head_v_up),
      shared_kv_(layer.shared_kv),
      reciprocal_{.alpha = layer.reciprocal_alpha, .window = layer.reciprocal_window},
      H_(layer.H),
      D_(layer.D),
      L_(layer.L),
      site_(layer.prefix + "attn.weights") {
  const std::string name = layer.prefix + "attn.";
  q_ = parameters.map(name + "q_proj");
  k_down_ = parameters.map(name + (shared_kv_ ? "kv_down" : "k_down"));
  if (!shared_kv_) v_down_ = parameters.map(name + "v_down");
  q_to_latent_ = parameters[name + (per_head_q_latent_ ? "q_to_latent" : "q_to_latent_shared.weight")];
  v_up_ = parameters[name + (per_head_v_up_ ? "v_up" : "v_up_shared.weight")];
  out_ = parameters.map(name + "out_proj");
}

// (q·A_h)·c_k = q·(c_k·A_hᵀ): scoring with keys D wide gives the same number as scoring in the latent space,
// and is cheaper in training where L > D or T is long.
Tensor LatentAttention::heads_from_keys(const Tensor& c_k_BTL, const Pass& pass) const {
  const auto B = c_k_BTL.size(0), T = c_k_BTL.size(1);
  if (per_head_q_latent_)  // k[b,t,h,d] = Σ_l c_k[b,t,l] A[h,d,l]
    return linear(c_k_BTL, q_to_latent_.view({H_ * D_, L_}), {}, pass).view({B, T, H_, D_});
  return linear(c_k_BTL, q_to_latent_.t(), {}, pass).unsqueeze(2).expand({B, T, H_, D_});
}

Tensor LatentAttention::heads_from_values(const Tensor& c_v_BTL, const Pass& pass) const {
  const auto B = c_v_BTL.size(0), T = c_v_BTL.size(1);
  if (per_head_v_up_)  // v[b,t,h,d] = Σ_l c_v[b,t,l] U[h,l,d]
    return linear(c_v_BTL, v_up_.transpose(1, 2).reshape({H_ * D_, L_}), {}, pass).view({B, T, H_, D_});
  return linear(c_v_BTL, v_up_, {}, pass).unsqueeze(2).expand({B, T, H_, D_});
}

AttentionOutput LatentAttention::attend(const Tensor& x_BTE, const Tensor& key_addition_BTL,
                                        const RowsRequest& rows, const Pass& pass) const {
  const auto B = x_BTE.size(0), T = x_BTE.size(1);
  const Tensor x = x_BTE.to(pass.dtype);
  const Tensor q_BTHD = linear(x, q_, pass).view({B, T, H_, D_});
  const Tensor c_BTL = linear(x, k_down_, pass);
  const Tensor c_k_BTL = key_addition_BTL.defined() ? c_BTL + key_addition_BTL : c_BTL;
  const Tensor c_v_BTL = shared_kv_ ? c_BTL : linear(x, v_down_, pass);
  AttentionInput input(q_BTHD, heads_from_keys(c_k_BTL, pass), heads_from_values(c_v_BTL, pass),
                       1 / std::sqrt(static_cast<double>(L_)));
  input.reciprocal = reciprocal_, input.site = site_;
  const auto attended = kablate::attend(input, rows, pass);
  return {.heads_BTHD = attended.values_BTHC, .rows = attended.rows, .keys_BTL = c_k_BTL};
}

// z[b,h,s] = Σ_l (q·A_h)[b,h,l] c_k[b,s,l] / √L;  o[b,h] = (Σ_s p[b,h,s] c_v[b,s])·U_h
AttentionOutput LatentAttention::step(const Tensor& x_B1E, const Tensor& key_addition_B1L,
                                      AttentionCache& cache, const Pass& pass) const {
  const auto B = x_B1E.size(0);
  const Tensor x = x_B1E.to(pass.dtype);
  const Tensor q_B1HD = linear(x, q_, pass).view({B, 1, H_, D_});
  const Tensor c_B1L = linear(x, k_down_, pass);
  const Tensor c_k_B1L = key_addition_B1L.defined() ? c_B1L + key_addition_B1L : c_B1L;
  const Tensor c_k_BtL = cache.keys.append(c_k_B1L);
  const bool one_latent = shared_kv_ && !key_addition_B1L.defined();
  const Tensor c_v_BtL =
      one_latent ? c_k_BtL : cache.values.append(shared_kv_ ? c_B1L : linear(x, v_down_, pass));
  const double scale = 1 / std::sqrt(static_cast<double>(L_));
  const auto type = statistics_type(pass);
  const Tensor z_BHt =
      at::bmm(latent_queries(q_B1HD.squeeze(1), pass), c_k_BtL.transpose(1, 2)).to(type) * scale;
  if (reciprocal_.alpha > 0) {
    const Tensor term_BHw = reciprocal_term(q_B1HD, c_k_B1L, cache.queries, scale, pass);
    z_BHt.narrow(2, z_BHt.size(2) - term_BHw.size(2), term_BHw.size(2)).add_(term_BHw);
  }
  const Tensor p_BHt = at::softmax(z_BHt, -1);
  const Tensor o_BHD = heads_from_latent(at::bmm(p_BHt.to(pass.dtype), c_v_BtL), pass);
  AttentionOutput output{.heads_BTHD = o_BHD.unsqueeze(1), .rows = {}, .keys_BTL = c_k_B1L};
  output.rows.by_head_BHTT = p_BHt.unsqueeze(2);
  return output;
}

// Only the new token's row changes: for it t is fixed, and the row of an earlier token needs no later key.
Tensor LatentAttention::reciprocal_term(const Tensor& q_B1HD, const Tensor& c_k_B1L, Tensor& queries,
                                        double scale, const Pass& pass) const {
  const Tensor seen_BwHD = queries.defined() ? at::cat({queries, q_B1HD}, 1) : q_B1HD;
  const Tensor k_BHD1 = heads_from_keys(c_k_B1L, pass).permute({0, 2, 3, 1});
  const Tensor raw_BHw = at::matmul(seen_BwHD.transpose(1, 2), k_BHD1).squeeze(-1);
  const auto kept = std::min(reciprocal_.window, seen_BwHD.size(1));
  queries = seen_BwHD.narrow(1, seen_BwHD.size(1) - kept, kept).clone();
  return raw_BHw.to(statistics_type(pass)) * (scale * reciprocal_.alpha);
}

Tensor LatentAttention::latent_queries(const Tensor& q_BHD, const Pass& pass) const {
  if (!per_head_q_latent_) return linear(q_BHD, q_to_latent_, {}, pass);
  return at::bmm(q_BHD.transpose(0, 1), q_to_latent_.to(pass.dtype)).transpose(0, 1);
}

Tensor LatentAttention::heads_from_latent(const Tensor& routed_BHL, const Pass& pass) const {
  if (!per_head_v_up_) return linear(routed_BHL, v_up_, {}, pass);
  return at::bmm(routed_BHL.transpose(0, 1), v_up_.to(pass.dtype)).transpose(0, 1);
}

LinearMap LatentAttention::output_map() const { return out_; }

std::unique_ptr<Attention> make_attention(const LayerSpec& layer, const ParameterSet& parameters) {
  switch (layer.attention) {
    case AttentionKind::kMultiHead:
      return std::make_unique<MultiHeadAttention>(layer, parameters);
    case AttentionKind::kLatent:
      return std::make_unique<LatentAttention>(layer, parameters);
    case AttentionKind::kNone:
      break;
  }
  return nullptr;
}

}  // namespace kablate
