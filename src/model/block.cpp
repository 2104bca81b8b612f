#include "model/block.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace kablate {
namespace {

// Whether a backward pass will come, that may make values again.
bool remakes(const Pass& pass) {
  return pass.remakes && pass.observations == nullptr && at::GradMode::is_enabled();
}

}  // namespace

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
  for (const auto& [name, tensor] : parameters.by_name())
    if (name.starts_with(maps)) maps_.push_back(tensor);
  for (const auto& tensor : mlp_->parameters())  // of an MLP that stands under another block's name
    if (std::none_of(maps_.begin(), maps_.end(), [&](const Tensor& own) { return own.is_same(tensor); }))
      maps_.push_back(tensor);
  if (config_.gate.enabled && makes_context_) gate_.emplace(config_.gate, parameters, maps);
  if (config_.cross.enabled) cross_.emplace(config_, parameters, maps);
  if (config_.coupler.enabled) coupler_.emplace(config_, parameters, maps, makes_context_);
}

template <typename Function>
ResidualStream Block::residual(const ResidualStream& stream, const Norm& norm,
                               const std::optional<Norm>& post, const Pass& pass, Function f) const {
  const auto wide = statistics_type(pass);
  if (config_.gpt.norm_placement == NormPlacement::kPost) {
    const Tensor x_BTE = stream.sum();
    return {.x_BTE = norm({.x_BTE = x_BTE, .added_BTE = f(x_BTE)}, wide).normed, .added_BTE = {}};
  }
  const NormedSum in = norm(stream, pass.dtype);
  const Tensor made_BTE = f(in.normed);
  const bool hybrid = config_.gpt.norm_placement == NormPlacement::kHybrid;
  return {.x_BTE = in.sum,
          .added_BTE = hybrid ? (*post)({.x_BTE = made_BTE, .added_BTE = {}}, wide).normed : made_BTE};
}

ResidualStream Block::run(const ResidualStream& stream, BlockContext& context, const Decoding* decoding,
                          const Pass& pass) const {
  const BlockContext below = std::exchange(context, {});
  if (pass.observations != nullptr) pass.observations->emplace_back();
  AttentionOutput attention;
  ResidualStream mixed = stream;
  if (attention_ != nullptr)
    mixed = residual(stream, *norm_1_, post_norm_1_, pass, [&](const Tensor& in_BTE) {
      attention = attend(in_BTE, below, decoding, pass);
      return pass.dropout.apply(project_heads(attention, below, pass), name_ + "attn");
    });
  if (mlp_ == nullptr) return mixed;
  return residual(mixed, *norm_2_, post_norm_2_, pass, [&](const Tensor& in_BTE) {
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
  const LinearMap map = attention_->output_map();
  if (!below.gate_BTH.defined()) return linear(attention.heads_BTHD.flatten(2), map, pass);
  const auto gated = [alpha = config_.gate.alpha](const Tensors& in) -> Tensors {
    return {Tensor(), apply_gate(in[0], in[1], alpha).flatten(2)};
  };
  const Tensors in = {attention.heads_BTHD, below.gate_BTH};
  if (!remakes(pass)) return linear(gated(in)[1], map, pass);
  // All at once: a twin whose gate does nothing must have the bits of the map without one.
  return remade_into({.make = gated, .inputs = in, .parameters = {}, .in_pieces = false}, map.to(pass.dtype),
                     1)[0];
}

Tensor Block::mlp(const Tensor& x_BTE, const AttentionOutput& attention, BlockContext& above,
                  const Decoding* decoding, const Pass& pass) const {
  if (!config_.train.recompute || decoding != nullptr || !remakes(pass))
    return mlp_values(x_BTE, attention, above, decoding, pass);
  Pass inner = pass;
  inner.remakes = false;
  const auto made = remade({.make = [self = shared_from_this(), inner](const Tensors& in) -> Tensors {
                              BlockContext context;
                              const Tensor y_BTE =
                                  self->mlp_values(in[0], attention_of(in), context, nullptr, inner);
                              return {y_BTE, context.gate_BTH, context.latent_BTL};
                            },
                            .inputs = inputs_of(x_BTE.to(pass.dtype), attention),
                            .parameters = maps_});
  above.gate_BTH = made[1];
  above.latent_BTL = made[2];
  return made[0];
}

Tensor Block::mlp_values(const Tensor& x_BTE, const AttentionOutput& attention, BlockContext& above,
                         const Decoding* decoding, const Pass& pass) const {
  const Tensor a_BTF = mlp_->before_activation(x_BTE, pass);
  Tensor u_BTF;
  if (!coupler_ && !cross_)
    u_BTF = mlp_->activate(a_BTF);
  else if (decoding == nullptr && remakes(pass))
    u_BTF = remade_hidden(a_BTF, attention, above, pass);
  else
    u_BTF = hidden(a_BTF, attention, above, decoding, pass);
  if (gate_)
    above.gate_BTH = decoding == nullptr
                         ? gate_->make(u_BTF, pass)
                         : gate_->step(u_BTF, decoding->length, decoding->cache.gate_sum_BG, pass);
  return mlp_->output(u_BTF, pass);
}

Tensor Block::hidden(const Tensor& a_BTF, const AttentionOutput& attention, BlockContext& above,
                     const Decoding* decoding, const Pass& pass) const {
  const Tensor u_BTF = enriched(a_BTF, attention.keys_BTL, above, pass);
  if (!cross_) return u_BTF;
  const Tensor cross_BTF =
      decoding == nullptr ? linear(cross_->routed(u_BTF, attention.rows, pass), cross_->last_map(), pass)
                          : cross_->step(u_BTF, attention.rows.by_head_BHTT, decoding->cache.cross, pass);
  if (auto* seen = pass.observed())
    seen->cross_relative_norm = relative_norm(cross_BTF * config_.cross.alpha, u_BTF);
  return at::add(u_BTF, cross_BTF, config_.cross.alpha);
}

// Of u, R·u and their sum the last alone is kept: as much as a plain MLP keeps.
Tensor Block::remade_hidden(const Tensor& a_BTF, const AttentionOutput& attention, BlockContext& above,
                            const Pass& pass) const {
  const Remaking remaking = {
      .make = [self = shared_from_this(), pass](const Tensors& in) -> Tensors {
        const AttentionOutput again = attention_of(in);
        BlockContext context;
        const Tensor u_BTF = self->enriched(in[0], again.keys_BTL, context, pass);
        if (!self->cross_) return {u_BTF, context.latent_BTL};
        return {u_BTF, self->cross_->routed(u_BTF, again.rows, pass), context.latent_BTL};
      },
      .inputs = inputs_of(a_BTF, attention),
      .parameters = maps_};
  const auto made = cross_ ? remade_into(remaking, cross_->last_map().to(pass.dtype), config_.cross.alpha)
                           : remade(remaking);
  above.latent_BTL = made[1];
  return made[0];
}

Tensor Block::enriched(const Tensor& a_BTF, const Tensor& keys_BTL, BlockContext& above,
                       const Pass& pass) const {
  const Tensor u_BTF = mlp_->activate(a_BTF);
  if (!coupler_) return u_BTF;
  const Tensor enrich_BTF = coupler_->enrich(keys_BTL, pass);
  if (makes_context_) above.latent_BTL = coupler_->context(u_BTF, pass);  // from u before enrichment
  if (auto* seen = pass.observed())
    seen->enrich_relative_norm = relative_norm(enrich_BTF * config_.coupler.alpha, u_BTF);
  return at::add(u_BTF, enrich_BTF, config_.coupler.alpha);
}

Tensors Block::inputs_of(const Tensor& x, const AttentionOutput& attention) const {
  const AttentionRows rows = cross_ ? attention.rows : AttentionRows{};
  return {x,
          coupler_ ? attention.keys_BTL : Tensor(),
          rows.by_head_BHTT,
          rows.mean_BTT,
          rows.largest_BTk,
          rows.columns_BTk};
}

AttentionOutput Block::attention_of(const Tensors& in) {
  return {.heads_BTHD = {},
          .rows = {.by_head_BHTT = in[2], .mean_BTT = in[3], .largest_BTk = in[4], .columns_BTk = in[5]},
          .keys_BTL = in[1]};
}

}  // namespace kablate
