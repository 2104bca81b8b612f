#include "shape/model_spec.h"

#include <cmath>
#include <stdexcept>

#include "config/config.h"
#include "shape/parameter.h"

namespace kablate {
namespace {

AttentionKind attention_kind(const Config& c) {
  if (!c.gpt.attention) return AttentionKind::kNone;
  if (!c.attention.latent) return AttentionKind::kMultiHead;
  return c.deepseek() ? AttentionKind::kDeepseek : AttentionKind::kLatent;
}

template <typename Options>
std::optional<Options> where_on(const Options& options) {
  return options.enabled ? std::optional(options) : std::nullopt;
}

void resolve_latents(const Config& c, LayerSpec& s) {
  const auto& mla = c.attention;
  s.L = mla.latent_dim.at(s.index), s.latent_source = mla.latent_source;
  s.per_head_q_latent = mla.per_head_q_latent, s.per_head_v_up = mla.per_head_v_up;
  s.shared_kv = mla.shared_kv || c.deepseek();
  s.latent_norm = mla.latent_norm || c.deepseek();
  s.q_latent = mla.q_latent_dim;
  if (!mla.latent_scale) return;
  const auto scale = [&](std::int64_t width) {
    return std::sqrt(static_cast<double>(s.E) / static_cast<double>(width));
  };
  s.latent_scale = scale(s.L);
  if (s.q_latent > 0) s.q_latent_scale = scale(s.q_latent);
}

AdapterSpec adapter_where(bool on, const LoraConfig& lora) {
  if (!on) return {};
  return {.rank = lora.rank, .scale = lora.alpha / static_cast<double>(lora.rank), .dropout = lora.dropout};
}

LayerSpec resolve_layer(const Config& c, std::int64_t index) {
  LayerSpec s;
  s.index = index, s.prefix = layer_prefix(index);
  s.E = c.gpt.width, s.T = c.gpt.context, s.bias = c.gpt.bias;
  s.residual_deviation = kLinearDeviation / std::sqrt(2.0 * static_cast<double>(c.gpt.num_layers));
  s.norm_placement = c.gpt.norm_placement, s.norm = c.gpt.norm;
  s.attention = attention_kind(c);
  s.causal = !c.bidirectional();
  s.H = c.gpt.num_heads, s.D = c.head_dim();
  s.K = s.attention == AttentionKind::kMultiHead ? c.key_heads() : s.H;
  if (c.gpt.positions == Positions::kRotary) s.R = s.has_latents() ? c.attention.rope_dim : s.D;
  if (s.has_latents()) resolve_latents(c, s);
  s.qk_norm = c.attention.qk_norm;
  if (c.reciprocal_attention()) s.reciprocal_alpha = c.attention.reciprocal_alpha;
  s.reciprocal_window = c.attention.reciprocal_window;
  s.F = c.mlp_width(index), s.activation = c.mlp.activation;
  s.learned_width = c.mlp.learned_width;
  if (c.mlp.per_head) s.head_mlps = c.gpt.num_heads / c.mlp.share_heads;
  if (c.mlp.routed() && s.F > 0) s.experts = c.mlp.experts, s.chosen = c.mlp.experts_top;
  s.attention_owner = c.attention_owner(index), s.mlp_owner = c.mlp_owner(index);
  s.attention_adapter = adapter_where(c.lora.attention, c.lora);
  s.mlp_adapter = adapter_where(c.lora.mlp, c.lora);
  s.frozen_base = c.lora.freeze_base_at == 1;
  s.gate = where_on(c.gate), s.cross = where_on(c.cross), s.coupler = where_on(c.coupler);
  if (s.F == 0) s.cross.reset();  // the others may act in its attention still
  return s;
}

}  // namespace

std::string layer_prefix(std::int64_t index) { return "transformer.h." + std::to_string(index) + "."; }

ModelSpec::ModelSpec(const Config& c)
    : V(c.gpt.vocabulary),
      E(c.gpt.width),
      T(c.gpt.context),
      bias(c.gpt.bias),
      tie_embeddings(c.gpt.tie_embeddings),
      norm(c.gpt.norm),
      positions(c.gpt.positions),
      rope_base(c.gpt.rope_base),
      frozen_base(c.lora.freeze_base_at == 1),
      causal(!c.bidirectional()),
      critic(c.objective.critic),
      autoencoder(c.gpt.autoencoder),
      compute{.dtype = c.run.dtype,
              .device = c.run.device,
              .kernels = c.run.kernels,
              .dropout = c.gpt.dropout,
              .padded = c.data.dataset == DatasetKind::kLines,
              .recompute = c.train.recompute,
              .limits = c.limits} {
  if (V == 0) throw std::logic_error("GPT2_VOCAB_SIZE = 0 is no size of a model yet");
  for (std::int64_t i = 0; i < c.gpt.num_layers; ++i) {
    layers.push_back(resolve_layer(c, i));
    layers.back().compute = compute;
    if (i == 0) continue;
    layers[i].receives_context = layers[i - 1].makes_context = layers[i - 1].F > 0;
    layers[i - 1].L_above = layers[i].L;
  }
}

}  // namespace kablate
