#include "model/mechanism/cross_token.h"

#include <functional>

#include <ATen/ATen.h>

#include "model/kernel/selected_route.h"
#include "model/mechanism/sparsify.h"
#include "shape/policy.h"

namespace kablate {
namespace {

// Σ_s R[b,t,s] u[b,s,f], or R[b,h,t,s] for the h-th group of channels.
Tensor route(const Tensor& routing, const Tensor& u_BTF) {
  if (routing.dim() == 3) return at::bmm(routing, u_BTF);
  const auto B = u_BTF.size(0), T = routing.size(2), F = u_BTF.size(2), H = routing.size(1);
  const Tensor groups = u_BTF.unflatten(2, {H, F / H}).transpose(1, 2);
  return at::matmul(routing, groups).transpose(1, 2).reshape({B, T, F});
}

using Router = std::function<Tensor(const Tensor& u_BTF)>;

// R·u by the selected entries alone.
Router route_by_entries(const CrossTokenConfig& config, const AttentionRows& rows, const Pass& pass) {
  const Tensor largest_BTk = config.detach ? rows.largest_BTk.detach() : rows.largest_BTk;
  const Tensor weights_BTk = config.normalize ? normalize_rows(largest_BTk) : largest_BTk;
  const Tensor columns_BTk = rows.columns_BTk;
  if (auto* seen = pass.observed()) observe_routing(dense_rows(weights_BTk, columns_BTk), *seen);
  return [=](const Tensor& u_BTF) { return route_selected(weights_BTk, columns_BTk, u_BTF); };
}

Router make_routing(const CrossTokenConfig& config, const AttentionRows& rows, const Pass& pass) {
  if (rows.columns_BTk.defined()) return route_by_entries(config, rows, pass);
  Tensor R = rows.mean_BTT.defined() ? rows.mean_BTT : rows.by_head_BHTT;
  if (config.head_average && R.dim() == 4) R = R.mean(1);
  if (config.detach) R = R.detach();
  const Tensor routing = sparsify(R, config, pass.span).to(pass.dtype);
  if (auto* seen = pass.observed()) observe_routing(routing, *seen);
  return [=](const Tensor& u_BTF) { return route(routing, u_BTF); };
}

}  // namespace

CrossToken::CrossToken(const LayerSpec& layer, const ParameterSet& parameters)
    : config_(*layer.cross), H_(layer.H) {
  const std::string name = layer.prefix + "mlp.";
  if (config_.rank == 0) {
    proj_ = parameters.map(name + "cross_proj");
  } else {
    down_ = parameters.map(name + "cross_down");
    up_ = parameters.map(name + "cross_up");
  }
}

RowsRequest CrossToken::request() const {
  return {.wanted = true,
          .by_head = !config_.head_average,
          .most = routes_by_entries(config_) ? config_.top_k : 0};
}

Tensor CrossToken::routed(const Tensor& u_BTF, const AttentionRows& rows, const Pass& pass) const {
  const Router routing = make_routing(config_, rows, pass);
  if (config_.rank == 0) return routing(u_BTF);
  // One routing for all channels commutes with the map down: routing r channels instead of F is the same
  // number.
  return config_.head_average ? routing(linear(u_BTF, down_, pass)) : linear(routing(u_BTF), down_, pass);
}

Tensor CrossToken::step(const Tensor& u_B1F, const Tensor& weights_BH1t, History& past,
                        const Pass& pass) const {
  const Tensor row = config_.head_average ? weights_BH1t.mean(1) : weights_BH1t;
  const Tensor routing = sparsify_row(row, config_).to(pass.dtype);
  const Tensor routed = route(routing, keep(u_B1F, past, pass));
  if (config_.rank == 0) return linear(routed, proj_, pass);
  if (config_.head_average) return linear(routed, up_, pass);
  if (keeps_hidden(u_B1F.size(2))) return linear(linear(routed, down_, pass), up_, pass);
  return linear(routed.unflatten(2, {H_, config_.rank}).sum(2), up_, pass);
}

Tensor CrossToken::keep(const Tensor& u_BTF, History& past, const Pass& pass) const {
  if (keeps_hidden(u_BTF.size(2))) return past.append(u_BTF);
  return past.append(config_.head_average ? linear(u_BTF, down_, pass) : down_by_head(u_BTF, pass));
}

bool CrossToken::keeps_hidden(std::int64_t F) const {
  return config_.rank == 0 || (!config_.head_average && H_ * config_.rank >= F);
}

// low[b,t,h,r] = Σ over the f of group h of u[b,t,f] down[r,f]; the sum over h is u·down.
Tensor CrossToken::down_by_head(const Tensor& u_BTF, const Pass& pass) const {
  const auto B = u_BTF.size(0), T = u_BTF.size(1), F = u_BTF.size(2);
  const Tensor down_HgR = down_.weight.to(pass.dtype).t().unflatten(0, {H_, F / H_});
  const Tensor groups_HNg = u_BTF.reshape({B * T, H_, F / H_}).transpose(0, 1);
  return at::bmm(groups_HNg, down_HgR).transpose(0, 1).reshape({B, T, H_ * config_.rank});
}

}  // namespace kablate
