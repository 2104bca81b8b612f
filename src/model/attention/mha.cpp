#include <cmath>

#include <ATen/ATen.h>

#include "model/attention/attention.h"

namespace kablate {

MultiHeadAttention::MultiHeadAttention(const Config& config, const ParameterSet& parameters,
                                       const std::string& prefix)
    : H_(config.gpt.num_heads),
      D_(config.head_dim()),
      site_(prefix + "attn.weights"),
      attn_weight_(parameters[prefix + "attn.c_attn.weight"]),
      proj_weight_(parameters[prefix + "attn.c_proj.weight"]) {
  if (!config.gpt.bias) return;
  attn_bias_ = parameters[prefix + "attn.c_attn.bias"];
  proj_bias_ = parameters[prefix + "attn.c_proj.bias"];
}

AttentionOutput MultiHeadAttention::attend(const Tensor& x_BTE, const Tensor& key_addition_BTL,
                                           const Pass& pass) const {
  TORCH_CHECK(!key_addition_BTL.defined(), "multi-head attention has no latent keys to add to");
  const auto B = x_BTE.size(0), T = x_BTE.size(1);
  const Tensor qkv = linear(x_BTE, attn_weight_, attn_bias_, pass).view({B, T, 3, H_, D_});
  const double scale = 1 / std::sqrt(static_cast<double>(D_));
  const auto [o_BTHD, p_BHTT] =
      kablate::attend(qkv.select(2, 0), qkv.select(2, 1), qkv.select(2, 2), scale, Reciprocal{}, site_, pass);
  return {.heads_BTHD = o_BTHD, .weights_BHTT = p_BHTT, .keys_BTL = {}};
}

Tensor MultiHeadAttention::project(const Tensor& heads_BTHD, const Pass& pass) const {
  return linear(heads_BTHD.flatten(2), proj_weight_, proj_bias_, pass);
}

}  // namespace kablate
