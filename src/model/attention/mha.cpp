#include <cmath>

#include <ATen/ATen.h>

#include "model/adapter.h"
#include "model/attention/attention.h"

namespace kablate {

MultiHeadAttention::MultiHeadAttention(const LayerSpec& layer, const ParameterSet& parameters)
    : H_(layer.H),
      K_(layer.K),
      D_(layer.D),
      R_(layer.R),
      qk_norm_(layer.qk_norm),
      site_(layer.prefix + "attn.weights"),
      attn_(parameters.map(layer.prefix + "attn.c_attn")),
      proj_(parameters.map(layer.prefix + "attn.c_proj")) {}

AttentionOutput MultiHeadAttention::attend(const Tensor& x_BTE, const Tensor& key_addition_BTL,
                                           const RowsRequest& rows, AttentionCache* filled,
                                           const Pass& pass) const {
  TORCH_CHECK(!key_addition_BTL.defined(), "multi-head attention has no latent keys to add to");
  const Tensor qkv_BTJD = queries_keys_values(x_BTE, pass);
  if (filled != nullptr) {
    filled->keys.append(qkv_BTJD.narrow(2, H_, K_));
    filled->values.append(qkv_BTJD.narrow(2, H_ + K_, K_));
  }
  AttentionInput input(qkv_BTJD, H_, 1 / std::sqrt(static_cast<double>(D_)));
  input.site = site_;
  const auto attended = kablate::attend(input, rows, pass);
  return {.heads_BTHD = attended.values_BTHC, .rows = attended.rows, .keys_BTL = {}};
}

AttentionOutput MultiHeadAttention::step(const Tensor& x_B1E, const Tensor& key_addition_B1L,
                                         AttentionCache& cache, const Pass& pass) const {
  TORCH_CHECK(!key_addition_B1L.defined(), "multi-head attention has no latent keys to add to");
  const auto B = x_B1E.size(0);
  const Tensor qkv_B1JD = queries_keys_values(x_B1E, pass);
  const Tensor q_BKGD =
      qkv_B1JD.narrow(2, 0, H_).view({B, K_, H_ / K_, D_});  // a head of keys' G = H/K queries
  const Tensor k_BKtD = cache.keys.append(qkv_B1JD.narrow(2, H_, K_)).transpose(1, 2);
  const Tensor v_BKtD = cache.values.append(qkv_B1JD.narrow(2, H_ + K_, K_)).transpose(1, 2);
  const double scale = 1 / std::sqrt(static_cast<double>(D_));
  const auto type = statistics_type(pass);
  const Tensor p_BKGt = at::softmax(at::matmul(q_BKGD, k_BKtD.transpose(-1, -2)).to(type) * scale, -1);
  const Tensor o_BKGD = at::matmul(p_BKGt.to(pass.dtype), v_BKtD);
  AttentionOutput output{.heads_BTHD = o_BKGD.reshape({B, 1, H_, D_}), .rows = {}, .keys_BTL = {}};
  output.rows.by_head_BHTT = p_BKGt.reshape({B, H_, 1, -1});
  return output;
}

Tensor MultiHeadAttention::queries_keys_values(const Tensor& x_BTE, const Pass& pass) const {
  const Tensor qkv_BTJD = linear(x_BTE, attn_, pass).view({x_BTE.size(0), x_BTE.size(1), H_ + 2 * K_, D_});
  if (R_ == 0 && !qk_norm_) return qkv_BTJD;
  return prepared_heads(qkv_BTJD, {.turned = H_ + K_, .rotation = pass.rotation, .norm = qk_norm_});
}

LinearMap MultiHeadAttention::output_map() const { return proj_; }

Tensor MultiHeadAttention::value_maps() const {
  const Tensor maps_JDE = effective_weight(attn_).unflatten(0, {H_ + 2 * K_, D_});
  return maps_JDE.narrow(0, H_ + K_, K_).repeat_interleave(H_ / K_, 0);
}

}  // namespace kablate
