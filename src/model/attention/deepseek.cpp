#include "model/attention/deepseek.h"

#include <cmath>

#include <ATen/ATen.h>

#include "model/adapter.h"

namespace kablate {
namespace {

NormFunction latent_norm(const ParameterSet& parameters, const std::string& name) {
  constexpr double kEpsilon = 1e-6;  // the published model's
  return {
      .kind = NormKind::kRmsNorm, .weight = parameters[name + ".weight"], .bias = {}, .epsilon = kEpsilon};
}

}  // namespace

DeepseekAttention::DeepseekAttention(const LayerSpec& layer, const ParameterSet& parameters)
    : H_(layer.H),
      D_(layer.D),
      L_(layer.L),
      R_(layer.R),
      latent_scale_(layer.latent_scale),
      q_latent_scale_(layer.q_latent_scale),
      site_(layer.prefix + "attn.weights") {
  const std::string name = layer.prefix + "attn.";
  q_ = parameters.map(name + (layer.q_latent > 0 ? "q_a_proj" : "q_proj"));
  if (layer.q_latent > 0) {
    q_norm_ = latent_norm(parameters, name + "q_a_layernorm");
    q_b_ = parameters.map(name + "q_b_proj");
  }
  if (layer.latent_source != LatentSource::kSlice || R_ > 0)
    kv_a_ = parameters.map(name + "kv_a_proj_with_mqa");
  norm_ = latent_norm(parameters, name + "kv_a_layernorm");
  kv_b_ = parameters[name + "kv_b_proj.weight"];
  out_ = parameters.map(name + "o_proj");
}

double DeepseekAttention::score_scale() const { return 1 / std::sqrt(static_cast<double>(D_ + R_)); }

DeepseekAttention::Latents DeepseekAttention::latents(const Tensor& x_BTE, const Pass& pass) const {
  const Tensor made = kv_a_.weight.defined() ? linear(x_BTE, kv_a_, pass) : Tensor();
  const bool mapped = made.defined() && made.size(2) > R_;  // a sliced latent is no part of the map
  const Tensor c_BTL = (mapped ? made : x_BTE).narrow(2, 0, L_);
  Latents result{normed_latent(c_BTL, norm_, pass), {}};
  if (R_ > 0) result.rotary_BT1R = turned(made.narrow(2, made.size(2) - R_, R_).unsqueeze(2), pass);
  return result;
}

Tensor DeepseekAttention::queries(const Tensor& x_BTE, const Pass& pass) const {
  Tensor q = linear(x_BTE, q_, pass);
  if (q_b_.weight.defined())
    q = linear(scaled_latent(normed_latent(q, q_norm_, pass), q_latent_scale_), q_b_, pass);
  const Tensor q_BTHJ = q.view({x_BTE.size(0), x_BTE.size(1), H_, D_ + R_});
  return R_ > 0 ? turned(q_BTHJ, pass) : q_BTHJ;
}

Tensor DeepseekAttention::up_map(std::int64_t part) const {
  return kv_b_.view({H_, 2, D_, L_}).select(1, part);
}

AttentionOutput DeepseekAttention::attend(const Tensor& x_BTE, const Tensor& key_addition_BTL,
                                          const RowsRequest& rows, AttentionCache* filled,
                                          const Pass& pass) const {
  const auto B = x_BTE.size(0), T = x_BTE.size(1);
  const Tensor x = x_BTE.to(pass.dtype);
  const Tensor q_BTHJ = queries(x, pass);
  const auto [c_BTL, rotary_BT1R] = latents(x, pass);
  const Tensor c_k_BTL = key_addition_BTL.defined() ? c_BTL + key_addition_BTL : c_BTL;
  if (filled != nullptr) {
    filled->keys.append(c_k_BTL);
    if (key_addition_BTL.defined()) filled->values.append(c_BTL);
    if (R_ > 0) filled->rotary.append(rotary_BT1R.squeeze(2));
  }
  // Keys and values by maps of their own, also where both read one latent: a mechanism with weight 0 adds to
  // the keys, and must change no bit.
  const auto heads = [&](const Tensor& c, std::int64_t part) {
    const Tensor map = up_map(part).reshape({H_ * D_, L_});
    return linear(scaled_latent(c, latent_scale_), map, {}, pass).view({B, T, H_, D_});
  };
  const Tensor k_BTHD = heads(c_k_BTL, 0), v_BTHD = heads(c_BTL, 1);
  AttentionInput input(q_BTHJ, R_ > 0 ? beside(k_BTHD, rotary_BT1R) : k_BTHD, v_BTHD, score_scale());
  input.site = site_;
  const auto attended = kablate::attend(input, rows, pass);
  return {.heads_BTHD = attended.values_BTHC, .rows = attended.rows, .keys_BTL = c_k_BTL};
}

// z[b,h,s] = (Σ_l (q·K_h)[b,h,l] c_k[b,s,l] + rot(q)[b,h]·rot(k_r)[b,s]) / √(D + R)
// o[b,h] = (Σ_s p[b,h,s] c[b,s])·V_hᵀ, where K_h and V_h [D, L] are the rows of kv_b_proj
AttentionOutput DeepseekAttention::step(const Tensor& x_B1E, const Tensor& key_addition_B1L,
                                        AttentionCache& cache, const Pass& pass) const {
  const Tensor x = x_B1E.to(pass.dtype);
  const Tensor q_BHJ = queries(x, pass).squeeze(1);
  const auto [c_B1L, rotary_B11R] = latents(x, pass);
  const Tensor c_k_B1L = key_addition_B1L.defined() ? c_B1L + key_addition_B1L : c_B1L;
  const Tensor c_k_BtL = cache.keys.append(c_k_B1L);
  const Tensor c_v_BtL = key_addition_B1L.defined() ? cache.values.append(c_B1L) : c_k_BtL;
  const Tensor own_HBD = q_BHJ.narrow(2, 0, D_).transpose(0, 1);
  const Tensor q_BHL = at::bmm(own_HBD, up_map(0).to(pass.dtype)).transpose(0, 1);
  Tensor z_BHt =
      at::bmm(scaled_latent(q_BHL, latent_scale_), c_k_BtL.transpose(1, 2)).to(statistics_type(pass));
  if (R_ > 0)
    z_BHt += rotary_scores(q_BHJ.narrow(2, D_, R_), cache.rotary.append(rotary_B11R.squeeze(2)), pass);
  const Tensor p_BHt = at::softmax(z_BHt * score_scale(), -1);
  const Tensor routed_BHL = scaled_latent(at::bmm(p_BHt.to(pass.dtype), c_v_BtL), latent_scale_);
  const Tensor o_BHD =
      at::bmm(routed_BHL.transpose(0, 1), up_map(1).to(pass.dtype).transpose(1, 2)).transpose(0, 1);
  AttentionOutput output{.heads_BTHD = o_BHD.unsqueeze(1), .rows = {}, .keys_BTL = c_k_B1L};
  output.rows.by_head_BHTT = p_BHt.unsqueeze(2);
  return output;
}

// v_h = (x·down)·V_hᵀ, the latent's rows of kv_a_proj or the input's first channels being down
Tensor DeepseekAttention::value_maps() const {
  const bool mapped = kv_a_.weight.defined() && kv_a_.weight.size(0) > R_;
  const Tensor down_LE = mapped ? effective_weight(kv_a_).narrow(0, 0, L_)
                                : at::eye(L_, q_.weight.size(1), kv_b_.options().requires_grad(false));
  return scaled_latent(at::matmul(up_map(1), down_LE), latent_scale_);
}

}  // namespace kablate
