#include <cmath>

#include <ATen/ATen.h>

#include "model/attention/attention.h"

namespace kablate {

MultiHeadAttention::MultiHeadAttention(const LayerSpec& layer, const ParameterSet& parameters)
    : H_(layer.H),
      D_(layer.D),
      site_(layer.prefix + "attn.weights"),
      attn_(parameters.map(layer.prefix + "attn.c_attn")),
      proj_(parameters.map(layer.prefix + "attn.c_proj")) {}

AttentionOutput MultiHeadAttention::attend(const Tensor& x_BTE, const Tensor& key_addition_BTL,
                                           const RowsRequest& rows, const Pass& pass) const {
  TORCH_CHECK(!key_addition_BTL.defined(), "multi-head attention has no latent keys to add to");
  AttentionInput input(queries_keys_values(x_BTE, pass), 1 / std::sqrt(static_cast<double>(D_)));
  input.site = site_;
  const auto attended = kablate::attend(input, rows, pass);
  return {.heads_BTHD = attended.values_BTHC, .rows = attended.rows, .keys_BTL = {}};
}

AttentionOutput MultiHeadAttention::step(const Tensor& x_B1E, const Tensor& key_addition_B1L,
                                         AttentionCache& cache, const Pass& pass) const {
  TORCH_CHECK(!key_addition_B1L.defined(), "multi-head attention has no latent keys to add to");
  const Tensor qkv = queries_keys_values(x_B1E, pass);
  const Tensor q_BH1D = qkv.select(2, 0).transpose(1, 2);
  const Tensor k_BHtD = cache.keys.append(qkv.select(2, 1)).transpose(1, 2);
  const Tensor v_BHtD = cache.values.append(qkv.select(2, 2)).transpose(1, 2);
  const double scale = 1 / std::sqrt(static_cast<double>(D_));
  const auto type = statistics_type(pass);
  const Tensor p_BH1t = at::softmax(at::matmul(q_BH1D, k_BHtD.transpose(-1, -2)).to(type) * scale, -1);
  const Tensor o_BH1D = at::matmul(p_BH1t.to(pass.dtype), v_BHtD);
  AttentionOutput output{.heads_BTHD = o_BH1D.transpose(1, 2), .rows = {}, .keys_BTL = {}};
  output.rows.by_head_BHTT = p_BH1t;
  return output;
}

Tensor MultiHeadAttention::queries_keys_values(const Tensor& x_BTE, const Pass& pass) const {
  return linear(x_BTE, attn_, pass).view({x_BTE.size(0), x_BTE.size(1), 3, H_, D_});
}

LinearMap MultiHeadAttention::output_map() const { return proj_; }

}  // namespace kablate
