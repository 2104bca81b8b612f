#include "support/engine/plain_gpt.h"

#include <cmath>

#include <ATen/ATen.h>

#include "model/kernel/fused_attention.h"
#include "model/kernel/fused_gelu.h"
#include "model/kernel/fused_layer_norm.h"
#include "model/linear.h"

namespace kablate {
namespace {

using at::Tensor;
using Attention = Tensor (*)(const PlainGpt& gpt, const Tensor& x, const std::string& name);

Tensor linear(const PlainGpt& gpt, const Tensor& x, const std::string& name) {
  return kablate::linear(x, gpt.weights.at(name), {}, gpt.dtype);
}

Tensor linear_with_bias(const PlainGpt& gpt, const Tensor& x, const std::string& name) {
  return kablate::linear(x, gpt.weights.at(name + ".weight"), gpt.weights.at(name + ".bias"), gpt.dtype);
}

Tensor norm(const PlainGpt& gpt, const Tensor& x, const std::string& name) {
  const Tensor& weight = gpt.weights.at(name + ".weight");
  return add_layer_norm(x, {}, weight, gpt.weights.at(name + ".bias"), 1e-5, gpt.dtype).normed;
}

// softmax(q·kᵀ/√width + causal)·v; q, k, v [B, H, T, D]
Tensor attend(const PlainGpt& gpt, const Tensor& q, const Tensor& k, const Tensor& v, double width) {
  if (fused_attention_serves(q))
    return fused_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), 1 / std::sqrt(width), {},
                           {})
        .values_BTHD.transpose(1, 2);
  return at::scaled_dot_product_attention(q, k, v, {}, 0, /*is_causal=*/true, 1 / std::sqrt(width));
}

// [B, T, E] to [B, H, T, D]
Tensor by_head(const PlainGpt& gpt, const Tensor& y) {
  return y.view({y.size(0), y.size(1), gpt.heads, y.size(2) / gpt.heads}).transpose(1, 2);
}

Tensor multi_head(const PlainGpt& gpt, const Tensor& x, const std::string& name) {
  const auto E = x.size(2);
  const auto qkv = linear_with_bias(gpt, x, name + "c_attn").split(E, 2);
  const Tensor o = attend(gpt, by_head(gpt, qkv[0]), by_head(gpt, qkv[1]), by_head(gpt, qkv[2]),
                          static_cast<double>(E / gpt.heads));
  return linear_with_bias(gpt, o.transpose(1, 2).flatten(2), name + "c_proj");
}

Tensor latent(const PlainGpt& gpt, const Tensor& x, const std::string& name) {
  const Tensor& down = gpt.weights.at(name + "q_to_latent");  // [H, D, L]
  const Tensor& up = gpt.weights.at(name + "v_up");           // [H, L, D]
  const auto map = [&](const Tensor& c, const Tensor& weight) {
    return by_head(gpt, kablate::linear(c, weight, {}, gpt.dtype));
  };
  const Tensor narrow = x.to(gpt.dtype);  // once: the three maps' gradients are added up in this type
  const Tensor q = by_head(gpt, linear(gpt, narrow, name + "q_proj.weight"));
  const Tensor k = map(linear(gpt, narrow, name + "k_down.weight"), down.flatten(0, 1));
  const Tensor v = map(linear(gpt, narrow, name + "v_down.weight"), up.transpose(1, 2).flatten(0, 1));
  const Tensor o = attend(gpt, q, k, v, static_cast<double>(down.size(2)));
  return linear(gpt, o.transpose(1, 2).flatten(2), name + "out_proj.weight");
}

Tensor logits(const PlainGpt& gpt, const Tensor& tokens, Attention attention) {
  const Tensor positions = gpt.weights.at("transformer.wpe.weight").narrow(0, 0, tokens.size(1));
  Tensor x = at::embedding(gpt.weights.at("transformer.wte.weight"), tokens) + positions;
  for (std::int64_t i = 0; i < gpt.layers; ++i) {
    const std::string block = "transformer.h." + std::to_string(i) + ".";
    x = x + attention(gpt, norm(gpt, x, block + "ln_1"), block + "attn.");
    const Tensor u = gelu(linear_with_bias(gpt, norm(gpt, x, block + "ln_2"), block + "mlp.c_fc"), false);
    x = x + linear_with_bias(gpt, u, block + "mlp.c_proj");
  }
  return linear(gpt, norm(gpt, x, "transformer.ln_f"), "transformer.wte.weight");
}

}  // namespace

Tensor PlainGpt::multi_head_logits(const Tensor& tokens) const { return logits(*this, tokens, multi_head); }
Tensor PlainGpt::latent_logits(const Tensor& tokens) const { return logits(*this, tokens, latent); }

}  // namespace kablate
