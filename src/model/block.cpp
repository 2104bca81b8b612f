#include "model/block.h"

#include <utility>

#include <ATen/ATen.h>

namespace kablate {

Block::Block(const LayerSpec& layer, const ParameterSet& parameters)
    : spec_(layer), attention_(make_attention(layer, parameters)) {
  const bool hybrid = layer.norm_placement == NormPlacement::kHybrid;
  if (attention_ != nullptr) {
    norm_1_.emplace(parameters, layer.prefix + "ln_1", layer.norm);
    if (hybrid) post_norm_1_.emplace(parameters, layer.prefix + "ln_1_post", layer.norm);
  }
  if (layer.F == 0) return;
  feed_forward_ = std::make_shared<const FeedForward>(layer, parameters);
  norm_2_.emplace(parameters, layer.prefix + "ln_2", layer.norm);
  if (hybrid) post_norm_2_.emplace(parameters, layer.prefix + "ln_2_post", layer.norm);
}

ResidualStream Block::forward(const ResidualStream& stream, BlockContext& context, const Decoding* decoding,
                              const Pass& pass) const {
  const BlockContext below = std::exchange(context, {});
  if (pass.observations != nullptr) pass.observations->emplace_back();
  AttentionOutput attention;
  ResidualStream mixed = stream;
  if (attention_ != nullptr)
    mixed = residual(stream, *norm_1_, post_norm_1_, pass, [&](const Tensor& in_BTE) {
      attention = attend(in_BTE, below, decoding, pass);
      const double alpha = spec_.gate ? spec_.gate->alpha : 0;
      const Tensor out_BTE =
          project_heads(attention.heads_BTHD, below.gate_BTH, alpha, attention_->output_map(), pass);
      return pass.dropout.apply(out_BTE, spec_.prefix + "attn");
    });
  if (feed_forward_ == nullptr) return mixed;
  return residual(mixed, *norm_2_, post_norm_2_, pass, [&](const Tensor& in_BTE) {
    const Tensor out_BTE = feed_forward_->forward(in_BTE, attention, context, decoding, pass);
    return pass.dropout.apply(out_BTE, spec_.prefix + "mlp");
  });
}

AttentionOutput Block::attend(const Tensor& x_BTE, const BlockContext& below, const Decoding* decoding,
                              const Pass& pass) const {
  const Tensor addition = below.latent_BTL.defined() ? below.latent_BTL * spec_.coupler->alpha : Tensor();
  RowsRequest rows = feed_forward_ != nullptr ? feed_forward_->wanted_rows() : RowsRequest{};
  if (pass.rows_observer != nullptr) rows = {.wanted = true, .by_head = true};
  AttentionCache* const cache = decoding == nullptr ? nullptr : &decoding->cache.attention;
  const auto attention = is_step(decoding) ? attention_->step(x_BTE, addition, *cache, pass)
                                           : attention_->attend(x_BTE, addition, rows, cache, pass);
  if (pass.rows_observer != nullptr) (*pass.rows_observer)(spec_.index, attention.rows.by_head_BHTT);
  if (addition.defined())
    pass.observe("context_relative_norm",
                 [&] { return relative_norm(addition, attention.keys_BTL - addition); });
  return attention;
}

template <typename Function>
ResidualStream Block::residual(const ResidualStream& stream, const Norm& norm,
                               const std::optional<Norm>& post, const Pass& pass, Function f) const {
  const auto wide = statistics_type(pass);
  if (spec_.norm_placement == NormPlacement::kPost) {
    const Tensor x_BTE = stream.sum();
    return {.x_BTE = norm({.x_BTE = x_BTE, .added_BTE = f(x_BTE)}, wide).normed, .added_BTE = {}};
  }
  const NormedSum in = norm(stream, pass.dtype);
  const Tensor made_BTE = f(in.normed);
  return {.x_BTE = in.sum,
          .added_BTE = post ? (*post)({.x_BTE = made_BTE, .added_BTE = {}}, wide).normed : made_BTE};
}

}  // namespace kablate
