#include "model/block.h"

#include <ATen/ATen.h>

namespace kablate {

Block::Block(const LayerShape& layer, const ParameterSet& parameters, std::shared_ptr<const Mlp> mlp)
    : config_(layer.config), name_(layer.prefix), makes_context_(layer.makes_context), mlp_(std::move(mlp)) {
  const bool bias = config_.gpt.bias, hybrid = config_.gpt.norm_placement == NormPlacement::kHybrid;
  if (config_.gpt.attention) {
    attention_ = make_attention(layer.config, parameters, layer.prefix);
    norm_1_.emplace(parameters, name_ + "ln_1", bias);
    if (hybrid) post_norm_1_.emplace(parameters, name_ + "ln_1_post", bias);
  }
  if (mlp_ == nullptr) return;
  norm_2_.emplace(parameters, name_ + "ln_2", bias);
  if (hybrid) post_norm_2_.emplace(parameters, name_ + "ln_2_post", bias);
  const std::string maps = name_ + "mlp.";
  if (config_.gate.enabled && makes_context_) gate_.emplace(config_.gate, parameters, maps);
  if (config_.cross.enabled) cross_.emplace(config_, parameters, maps);
  if (config_.coupler.enabled) coupler_.emplace(config_, parameters, maps, makes_context_);
}

template <typename Function>
Tensor Block::residual(const Tensor& x_BTE, const Norm& norm, const std::optional<Norm>& post,
                       Function f) const {
  switch (config_.gpt.norm_placement) {
    case NormPlacement::kPre:
      return x_BTE + f(norm(x_BTE));
    case NormPlacement::kPost:
      return norm(x_BTE + f(x_BTE));
    case NormPlacement::kHybrid:
      break;
  }
  return x_BTE + (*post)(f(norm(x_BTE)));
}

Tensor Block::run(const Tensor& x_BTE, BlockContext& context, const Decoding* decoding,
                  const Pass& pass) const {
  const BlockContext below = std::exchange(context, {});
  if (pass.observations != nullptr) pass.observations->emplace_back();
  AttentionOutput attention;
  Tensor mixed_BTE = x_BTE;
  if (attention_ != nullptr)
    mixed_BTE = residual(x_BTE, *norm_1_, post_norm_1_, [&](const Tensor& in_BTE) {
      attention = attend(in_BTE, below, decoding, pass);
      return pass.dropout.apply(project_heads(attention, below, pass), name_ + "attn");
    });
  if (mlp_ == nullptr) return mixed_BTE;
  return residual(mixed_BTE, *norm_2_, post_norm_2_, [&](const Tensor& in_BTE) {
    return pass.dropout.apply(mlp(in_BTE, attention, context, decoding, pass), name_ + "mlp");
  });
}

AttentionOutput Block::attend(const Tensor& x_BTE, const BlockContext& below, const Decoding* decoding,
                              const Pass& pass) const {
  const Tensor addition = below.latent_BTL.defined() ? below.latent_BTL * config_.coupler.alpha : Tensor();
  const RowsRequest rows = cross_ ? cross_->request() : RowsRequest{};
  const auto attention = decoding == nullptr
                             ? attention_->attend(x_BTE, addition, rows, pass)
                             : attention_->step(x_BTE, addition, decoding->cache.attention, pass);
  if (auto* seen = pass.observed(); seen != nullptr && addition.defined())
    seen->context_relative_norm = relative_norm(addition, attention.keys_BTL - addition);
  return attention;
}

Tensor Block::project_heads(const AttentionOutput& attention, const BlockContext& below,
                            const Pass& pass) const {
  if (!below.gate_BTH.defined()) return attention_->project(attention.heads_BTHD, pass);
  return attention_->project(apply_gate(attention.heads_BTHD, below.gate_BTH, config_.gate.alpha), pass);
}

Tensor Block::mlp(const Tensor& x_BTE, const AttentionOutput& attention, BlockContext& above,
                  const Decoding* decoding, const Pass& pass) const {
  Tensor u_BTF = mlp_->hidden(x_BTE, pass);
  if (coupler_) {
    const Tensor enrich_BTF = coupler_->enrich(attention.keys_BTL, pass);
    if (makes_context_) above.latent_BTL = coupler_->context(u_BTF, pass);  // from u before enrichment
    const Tensor added_BTF = enrich_BTF * config_.coupler.alpha;
    if (auto* seen = pass.observed()) seen->enrich_relative_norm = relative_norm(added_BTF, u_BTF);
    u_BTF = u_BTF + added_BTF;
  }
  if (cross_) {
    const Tensor cross_BTF =
        decoding == nullptr ? (*cross_)(u_BTF, attention.rows, pass)
                            : cross_->step(u_BTF, attention.rows.by_head_BHTT, decoding->cache.cross, pass);
    const Tensor added_BTF = cross_BTF * config_.cross.alpha;
    if (auto* seen = pass.observed()) seen->cross_relative_norm = relative_norm(added_BTF, u_BTF);
    u_BTF = u_BTF + added_BTF;
  }
  if (gate_)
    above.gate_BTH = decoding == nullptr
                         ? gate_->make(u_BTF, pass)
                         : gate_->step(u_BTF, decoding->length, decoding->cache.gate_sum_BG, pass);
  return mlp_->output(u_BTF, pass);
}

}  // namespace kablate
