// Multi-head latent attention (DeepSeek-V2 2024, section 2.1): keys and values of all heads come from c_k and
// c_v [B, T, L]; scores over √L, or √(L + R) with a rotary part; optional reciprocal attention. A step
// scores in the latent space and never expands the keys or values of the past.
#pragma once

#include <string>

#include "model/attention/attention.h"
#include "model/attention/latents.h"

namespace kablate {

class LatentAttention : public Attention {
 public:
  LatentAttention(const LayerSpec& layer, const ParameterSet& parameters);
  AttentionOutput attend(const Tensor& x_BTE, const Tensor& key_addition_BTL, const RowsRequest& rows,
                         AttentionCache* filled, const Pass& pass) const override;
  AttentionOutput step(const Tensor& x_B1E, const Tensor& key_addition_B1L, AttentionCache& cache,
                       const Pass& pass) const override;
  LinearMap output_map() const override;
  Tensor value_maps() const override;

 private:
  Tensor latent_queries(const Tensor& q_BHD, const Pass& pass) const;          // q·A_h, [B, H, L]
  Tensor heads_from_latent(const Tensor& routed_BHL, const Pass& pass) const;  // (P_h·c_v)·U_h, [B, H, D]
  // α·(q[s]·A_h)·c_k[t]·scale for the window's s up to t, [B, H, s]; keeps q for later tokens.
  Tensor reciprocal_term(const Tensor& q_B1HD, const Tensor& c_k_B1L, Tensor& queries, double scale,
                         const Pass& pass) const;
  Tensor within_window(const Tensor& q_BTHD) const;                         // the last of them, [B, w, H, D]
  Tensor heads_from_keys(const Tensor& c_k_BTL, const Pass& pass) const;    // [B, T, H, D]
  Tensor heads_from_values(const Tensor& c_v_BTL, const Pass& pass) const;  // [B, T, H, D]
  Tensor rotary_queries(const Tensor& x_BTE, const Pass& pass) const;       // [B, T, H, R]
  Tensor rotary_key(const Tensor& x_BTE, const Pass& pass) const;           // [B, T, 1, R]
  double score_scale() const;

  bool per_head_q_latent_, per_head_v_up_, shared_kv_;
  Reciprocal reciprocal_;
  std::int64_t H_, D_, L_, R_;
  double latent_scale_;
  std::string site_;
  LinearMap q_, out_, q_rope_, k_rope_;
  LatentSourceMap keys_, values_;  // with shared_kv_ keys_ serves as both
  Tensor q_to_latent_, v_up_;      // [H, D, L] and [H, L, D], or one for all heads [L, D] and [D, L]
};

}  // namespace kablate
