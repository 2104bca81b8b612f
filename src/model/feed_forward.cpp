#include "model/feed_forward.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace kablate {

FeedForward::FeedForward(const LayerSpec& layer, const ParameterSet& parameters)
    : recompute_(layer.compute.recompute),
      recomputed_rows_(layer.compute.limits.recomputed_rows),
      makes_context_(layer.makes_context) {
  if (layer.experts > 0)
    experts_.emplace(layer, parameters);
  else
    mlp_.emplace(layer, parameters);
  if (layer.gate && makes_context_) gate_.emplace(layer, parameters);
  if (layer.cross) cross_.emplace(layer, parameters), cross_alpha_ = layer.cross->alpha;
  if (layer.coupler) coupler_.emplace(layer, parameters), coupler_alpha_ = layer.coupler->alpha;
  for (const auto& [name, tensor] : parameters.by_name())
    if (name.starts_with(layer.prefix + "mlp.")) maps_.push_back(tensor);
  // Of an MLP that stands under another layer's name.
  for (const auto& tensor : mlp_ ? mlp_->parameters() : experts_->parameters())
    if (std::none_of(maps_.begin(), maps_.end(), [&](const Tensor& own) { return own.is_same(tensor); }))
      maps_.push_back(tensor);
}

RowsRequest FeedForward::wanted_rows() const { return cross_ ? cross_->request() : RowsRequest{}; }

Tensor FeedForward::forward(const Tensor& x_BTE, const AttentionOutput& attention, BlockContext& above,
                            const Decoding* decoding, const Pass& pass) const {
  Routing routing;
  if (experts_) {
    routing = experts_->route(x_BTE, pass);
    if (pass.balances != nullptr) pass.balances->push_back(balance_of(routing, pass.span.keep_BT));
    if (auto* seen = pass.observed()) observe_loads(loads_of(routing, pass.span.keep_BT), *seen);
  }
  if (!recompute_ || decoding != nullptr || !pass.may_recompute())
    return values(x_BTE, routing, attention, above, decoding, pass);
  Pass inner = pass;
  inner.recomputes = false;
  Inputs inputs = inputs_of(x_BTE.to(pass.dtype), {}, attention, pass);
  inputs.routing = {.p_BTn = {}, .chosen_BTk = routing.chosen_BTk, .weights_BTk = routing.weights_BTk};
  if (const auto& samples = pass.dropout.samples(); !samples.empty())  // some sequences at a time
    inputs.samples_B = at::tensor(std::vector<std::int64_t>(samples.begin(), samples.end()), at::kLong);
  const auto outputs =
      recomputed({.compute = [self = shared_from_this(), inner](const Tensors& list) -> Tensors {
                    const Inputs in = Inputs::of(list);
                    BlockContext context;
                    Pass piece = inner;
                    piece.dropout = inner.dropout.of_samples(in.samples_B);
                    piece.span.keep_BT = in.keep_BT;
                    const Tensor y_BTE =
                        self->values(in.x, in.routing, in.attention, context, nullptr, piece);
                    return {y_BTE, context.gate_BTH, context.latent_BTL};
                  },
                  .inputs = inputs.list(),
                  .parameters = maps_,
                  .rows = recomputed_rows_});
  above.gate_BTH = outputs[1];
  above.latent_BTL = outputs[2];
  return outputs[0];
}

Tensor FeedForward::values(const Tensor& x_BTE, const Routing& routing, const AttentionOutput& attention,
                           BlockContext& above, const Decoding* decoding, const Pass& pass) const {
  if (experts_) return routed(x_BTE, routing, above, decoding, pass);
  const Mlp::Linear before = mlp_->before_activation(x_BTE, pass);
  if (mlp_->unit_gate().defined())
    pass.observe("mlp_width", [&] { return static_cast<double>(mlp_->learned_width()); });
  Tensor u_BTF;
  if (!coupler_ && !cross_ && !mlp_->unit_gate().defined())
    u_BTF = mlp_->activate(before);
  else if (decoding == nullptr && pass.may_recompute())
    u_BTF = recomputed_hidden(before, attention, above, pass);
  else
    u_BTF = hidden(before, attention, above, decoding, pass);
  if (gate_) hand_gate(u_BTF, above, decoding, pass);
  return mlp_->output(u_BTF, pass);
}

Tensor FeedForward::routed(const Tensor& x_BTE, const Routing& routing, BlockContext& above,
                           const Decoding* decoding, const Pass& pass) const {
  const auto [y_BTE, u_BTF] = experts_->forward(x_BTE, routing, gate_.has_value(), pass);
  if (gate_) hand_gate(u_BTF, above, decoding, pass);
  return y_BTE;
}

void FeedForward::hand_gate(const Tensor& u_BTF, BlockContext& above, const Decoding* decoding,
                            const Pass& pass) const {
  above.gate_BTH = is_step(decoding)
                       ? gate_->step(u_BTF, decoding->length, decoding->cache.gate_sum_BG, pass)
                       : gate_->make(u_BTF, decoding ? &decoding->cache.gate_sum_BG : nullptr, pass);
}

Tensor FeedForward::hidden(const Mlp::Linear& before, const AttentionOutput& attention, BlockContext& above,
                           const Decoding* decoding, const Pass& pass) const {
  const Tensor u_BTF = enriched(before, attention.keys_BTL, above, pass);
  if (!cross_) return u_BTF;
  if (decoding != nullptr && decoding->filling) cross_->keep(u_BTF, decoding->cache.cross, pass);
  const Tensor cross_BTF =
      is_step(decoding) ? cross_->step(u_BTF, attention.rows.by_head_BHTT, decoding->cache.cross, pass)
                        : linear(cross_->routed(u_BTF, attention.rows, pass), cross_->last_map(), pass);
  pass.observe("cross_relative_norm", [&] { return relative_norm(cross_BTF * cross_alpha_, u_BTF); });
  return at::add(u_BTF, cross_BTF, cross_alpha_);
}

// Of u before and after its gates, R·u and their sum the last alone is kept: as much as a plain MLP keeps.
Tensor FeedForward::recomputed_hidden(const Mlp::Linear& before, const AttentionOutput& attention,
                                      BlockContext& above, const Pass& pass) const {
  const Recomputation hidden = {
      .compute = [self = shared_from_this(), pass](const Tensors& list) -> Tensors {
        const Inputs in = Inputs::of(list);
        BlockContext context;
        Pass piece = pass;
        piece.span.keep_BT = in.keep_BT;
        const Tensor u_BTF = self->enriched({in.x, in.gate}, in.attention.keys_BTL, context, piece);
        if (!self->cross_) return {u_BTF, context.latent_BTL};
        return {u_BTF, self->cross_->routed(u_BTF, in.attention.rows, piece), context.latent_BTL};
      },
      .inputs = inputs_of(before.a_BTF, before.gate_BTF, attention, pass).list(),
      .parameters = maps_,
      .rows = recomputed_rows_};
  const auto outputs =
      cross_ ? recomputed_into(hidden, cross_->last_map().to(pass.dtype), cross_alpha_) : recomputed(hidden);
  above.latent_BTL = outputs[1];
  return outputs[0];
}

Tensor FeedForward::enriched(const Mlp::Linear& before, const Tensor& keys_BTL, BlockContext& above,
                             const Pass& pass) const {
  const Tensor u_BTF = mlp_->activate(before);
  if (!coupler_) return u_BTF;
  const Tensor enrich_BTF = coupler_->enrich(keys_BTL, pass);
  if (makes_context_) above.latent_BTL = coupler_->context(u_BTF, pass);  // from u before enrichment
  pass.observe("enrich_relative_norm", [&] { return relative_norm(enrich_BTF * coupler_alpha_, u_BTF); });
  return at::add(u_BTF, enrich_BTF, coupler_alpha_);
}

FeedForward::Inputs FeedForward::inputs_of(const Tensor& x, const Tensor& gate,
                                           const AttentionOutput& attention, const Pass& pass) const {
  Inputs in{x, gate, {}, {}, pass.span.keep_BT};
  if (coupler_) in.attention.keys_BTL = attention.keys_BTL;
  if (cross_) in.attention.rows = attention.rows;
  return in;
}

Tensors FeedForward::Inputs::list() const {
  const AttentionRows& rows = attention.rows;
  return {x,
          gate,
          attention.keys_BTL,
          rows.by_head_BHTT,
          rows.mean_BTT,
          rows.largest_BTk,
          rows.columns_BTk,
          samples_B,
          keep_BT,
          routing.chosen_BTk,
          routing.weights_BTk};
}

FeedForward::Inputs FeedForward::Inputs::of(const Tensors& list) {
  Inputs in{list[0], list[1], {}, list[7], list[8]};
  in.attention.keys_BTL = list[2];
  in.attention.rows = {
      .by_head_BHTT = list[3], .mean_BTT = list[4], .largest_BTk = list[5], .columns_BTk = list[6]};
  in.routing = {.p_BTn = {}, .chosen_BTk = list[9], .weights_BTk = list[10]};
  return in;
}

}  // namespace kablate
