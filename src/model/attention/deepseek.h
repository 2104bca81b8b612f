// Latent attention as DeepSeek publishes it (DeepSeek-V2 2024, arXiv 2405.04434, section 2.1; DeepSeek-V3,
// arXiv 2412.19437): one normed latent c [B, T, L] for keys and values of all heads, and beside every head's
// D channels R that are rotated, whose key k_r [B, T, R] is one for all heads.
//
//   q = x·q_proj, or RMSNorm(x·q_a_proj)·q_b_proj     (c, k_r) = x·kv_a_proj_with_mqa,  c ← RMSNorm(c)
//   (k_h, v_h) = c·kv_b_proj
//   Z_h[t,s] = (q_h[:D]·k_h[s] + rot(q_h[D:])·rot(k_r[s])) / √(D + R)
#pragma once

#include <string>

#include "model/attention/attention.h"
#include "model/attention/latents.h"

namespace kablate {

class DeepseekAttention : public Attention {
 public:
  DeepseekAttention(const LayerSpec& layer, const ParameterSet& parameters);
  AttentionOutput attend(const Tensor& x_BTE, const Tensor& key_addition_BTL, const RowsRequest& rows,
                         AttentionCache* filled, const Pass& pass) const override;
  // Scores and sums in the latent space: the past's keys and values are never expanded.
  AttentionOutput step(const Tensor& x_B1E, const Tensor& key_addition_B1L, AttentionCache& cache,
                       const Pass& pass) const override;
  LinearMap output_map() const override { return out_; }
  Tensor value_maps() const override;

 private:
  struct Latents {
    Tensor c_BTL;
    Tensor rotary_BT1R;  // turned; undefined without a rotary part
  };
  Latents latents(const Tensor& x_BTE, const Pass& pass) const;
  Tensor queries(const Tensor& x_BTE, const Pass& pass) const;  // [B, T, H, D + R], turned
  Tensor up_map(std::int64_t part) const;  // kv_b_proj's rows of keys 0 or values 1, [H, D, L]
  double score_scale() const;

  std::int64_t H_, D_, L_, R_;
  double latent_scale_, q_latent_scale_;
  std::string site_;
  LinearMap q_, out_;
  LinearMap q_b_;   // undefined without a latent of queries
  LinearMap kv_a_;  // undefined where the latent is cut from the input and nothing is rotated
  NormFunction q_norm_, norm_;
  Tensor kv_b_;  // [H·2D, L], a head's k rows before its v rows
};

}  // namespace kablate
