#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "model/attention/mla.h"

namespace kablate {

constexpr double kEpsilon = 1e-5;  // of the latents' norms (architectures, A3)

LatentAttention::LatentAttention(const LayerSpec& layer, const ParameterSet& parameters)
    : per_head_q_latent_(layer.per_head_q_latent),
      per_head_v_up_(layer.per_head_v_up),
      shared_kv_(layer.shared_kv),
      reciprocal_{.alpha = layer.reciprocal_alpha, .window = layer.reciprocal_window},
      H_(layer.H),
      D_(layer.D),
      L_(layer.L),
      R_(layer.R),
      latent_scale_(layer.latent_scale),
      site_(layer.prefix + "attn.weights") {
  const std::string name = layer.prefix + "attn.";
  const auto source = [&](const std::string& latent) {
    const bool slice = layer.latent_source == LatentSource::kSlice;
    return LatentSourceMap(slice ? LinearMap{} : parameters.map(name + latent + "_down"), L_,
                           layer.latent_norm ? parameters[name + latent + "_norm.weight"] : Tensor(),
                           kEpsilon);
  };
  q_ = parameters.map(name + "q_proj");
  keys_ = source(shared_kv_ ? "kv" : "k");
  if (!shared_kv_) values_ = source("v");
  q_to_latent_ = parameters[name + (per_head_q_latent_ ? "q_to_latent" : "q_to_latent_shared.weight")];
  v_up_ = parameters[name + (per_head_v_up_ ? "v_up" : "v_up_shared.weight")];
  if (R_ > 0) q_rope_ = parameters.map(name + "q_rope"), k_rope_ = parameters.map(name + "k_rope");
  out_ = parameters.map(name + "out_proj");
}

double LatentAttention::score_scale() const { return 1 / std::sqrt(static_cast<double>(L_ + R_)); }

Tensor LatentAttention::rotary_queries(const Tensor& x_BTE, const Pass& pass) const {
  return turned(linear(x_BTE, q_rope_, pass).view({x_BTE.size(0), x_BTE.size(1), H_, R_}), pass);
}

Tensor LatentAttention::rotary_key(const Tensor& x_BTE, const Pass& pass) const {
  return turned(linear(x_BTE, k_rope_, pass).unsqueeze(2), pass);
}

// (q·A_h)·c_k = q·(c_k·A_hᵀ): scoring with keys D wide gives the same number as scoring in the latent space,
// and is cheaper in training where L > D or T is long.
Tensor LatentAttention::heads_from_keys(const Tensor& c_k_BTL, const Pass& pass) const {
  const auto B = c_k_BTL.size(0), T = c_k_BTL.size(1);
  const Tensor read_BTL = scaled_latent(c_k_BTL, latent_scale_);
  if (per_head_q_latent_)  // k[b,t,h,d] = Σ_l c_k[b,t,l] A[h,d,l]
    return linear(read_BTL, q_to_latent_.view({H_ * D_, L_}), {}, pass).view({B, T, H_, D_});
  return linear(read_BTL, q_to_latent_.t(), {}, pass).unsqueeze(2).expand({B, T, H_, D_});
}

Tensor LatentAttention::heads_from_values(const Tensor& c_v_BTL, const Pass& pass) const {
  const auto B = c_v_BTL.size(0), T = c_v_BTL.size(1);
  const Tensor read_BTL = scaled_latent(c_v_BTL, latent_scale_);
  if (per_head_v_up_)  // v[b,t,h,d] = Σ_l c_v[b,t,l] U[h,l,d]
    return linear(read_BTL, v_up_.transpose(1, 2).reshape({H_ * D_, L_}), {}, pass).view({B, T, H_, D_});
  return linear(read_BTL, v_up_, {}, pass).unsqueeze(2).expand({B, T, H_, D_});
}

AttentionOutput LatentAttention::attend(const Tensor& x_BTE, const Tensor& key_addition_BTL,
                                        const RowsRequest& rows, AttentionCache* filled,
                                        const Pass& pass) const {
  const auto B = x_BTE.size(0), T = x_BTE.size(1);
  const Tensor x = x_BTE.to(pass.dtype);
  const Tensor q_BTHD = linear(x, q_, pass).view({B, T, H_, D_});
  const Tensor c_BTL = keys_(x, pass);
  const Tensor c_k_BTL = key_addition_BTL.defined() ? c_BTL + key_addition_BTL : c_BTL;
  const Tensor c_v_BTL = shared_kv_ ? c_BTL : values_(x, pass);
  // Values first: the gradient of a latent that both read is a sum in the order of its readers.
  const Tensor v_BTHD = heads_from_values(c_v_BTL, pass);
  const Tensor k_BTHD = heads_from_keys(c_k_BTL, pass);
  const Tensor rotary_BT1R = R_ > 0 ? rotary_key(x, pass) : Tensor();
  if (filled != nullptr) {
    filled->keys.append(c_k_BTL);
    if (!shared_kv_ || key_addition_BTL.defined()) filled->values.append(c_v_BTL);
    if (R_ > 0) filled->rotary.append(rotary_BT1R.squeeze(2));
    if (reciprocal_.alpha > 0) filled->queries = within_window(q_BTHD);
  }
  AttentionInput input(R_ > 0 ? beside(q_BTHD, rotary_queries(x, pass)) : q_BTHD,
                       R_ > 0 ? beside(k_BTHD, rotary_BT1R) : k_BTHD, v_BTHD, score_scale());
  input.reciprocal = reciprocal_, input.site = site_;
  const auto attended = kablate::attend(input, rows, pass);
  return {.heads_BTHD = attended.values_BTHC, .rows = attended.rows, .keys_BTL = c_k_BTL};
}

// z[b,h,s] = (Σ_l (q·A_h)[b,h,l] c_k[b,s,l] + rot(q_rope)[b,h]·rot(k_rope)[b,s]) / √(L + R)
// o[b,h] = (Σ_s p[b,h,s] c_v[b,s])·U_h
AttentionOutput LatentAttention::step(const Tensor& x_B1E, const Tensor& key_addition_B1L,
                                      AttentionCache& cache, const Pass& pass) const {
  const auto B = x_B1E.size(0);
  const Tensor x = x_B1E.to(pass.dtype);
  const Tensor q_B1HD = linear(x, q_, pass).view({B, 1, H_, D_});
  const Tensor c_B1L = keys_(x, pass);
  const Tensor c_k_B1L = key_addition_B1L.defined() ? c_B1L + key_addition_B1L : c_B1L;
  const Tensor c_k_BtL = cache.keys.append(c_k_B1L);
  const bool one_latent = shared_kv_ && !key_addition_B1L.defined();
  const Tensor c_v_BtL = one_latent ? c_k_BtL : cache.values.append(shared_kv_ ? c_B1L : values_(x, pass));
  const double scale = score_scale();
  Tensor z_BHt =
      at::bmm(latent_queries(q_B1HD.squeeze(1), pass), c_k_BtL.transpose(1, 2)).to(statistics_type(pass));
  if (R_ > 0) {
    const Tensor rotary_BtR = cache.rotary.append(rotary_key(x, pass).squeeze(2));
    z_BHt += rotary_scores(rotary_queries(x, pass).squeeze(1), rotary_BtR, pass);
  }
  z_BHt *= scale;
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
  queries = within_window(seen_BwHD);
  return raw_BHw.to(statistics_type(pass)) * (scale * reciprocal_.alpha);
}

Tensor LatentAttention::within_window(const Tensor& q_BTHD) const {
  const auto kept = std::min(reciprocal_.window, q_BTHD.size(1));
  return q_BTHD.narrow(1, q_BTHD.size(1) - kept, kept).clone();
}

Tensor LatentAttention::latent_queries(const Tensor& q_BHD, const Pass& pass) const {
  const Tensor q_BHL = per_head_q_latent_
                           ? at::bmm(q_BHD.transpose(0, 1), q_to_latent_.to(pass.dtype)).transpose(0, 1)
                           : linear(q_BHD, q_to_latent_, {}, pass);
  return scaled_latent(q_BHL, latent_scale_);  // of the keys, which the cache has as they are
}

Tensor LatentAttention::heads_from_latent(const Tensor& routed_BHL, const Pass& pass) const {
  const Tensor read_BHL = scaled_latent(routed_BHL, latent_scale_);
  if (!per_head_v_up_) return linear(read_BHL, v_up_, {}, pass);
  return at::bmm(read_BHL.transpose(0, 1), v_up_.to(pass.dtype)).transpose(0, 1);
}

LinearMap LatentAttention::output_map() const { return out_; }

// v_h = (x·down)·U_h
Tensor LatentAttention::value_maps() const {
  const Tensor down_LE = (shared_kv_ ? keys_ : values_).map(q_.weight.size(1), v_up_.options());
  const Tensor up_HDL = per_head_v_up_ ? v_up_.transpose(1, 2) : v_up_.unsqueeze(0).expand({H_, D_, L_});
  return scaled_latent(at::matmul(up_HDL, down_LE), latent_scale_);
}

}  // namespace kablate
