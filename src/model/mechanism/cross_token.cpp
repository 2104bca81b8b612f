#include "model/mechanism/cross_token.h"

#include <ATen/ATen.h>

#include "model/mechanism/sparsify.h"

namespace kablate {
namespace {

// Σ_s R[b,t,s] u[b,s,f], or R[b,h,t,s] for the h-th group of channels.
Tensor route(const Tensor& routing, const Tensor& u_BTF) {
  if (routing.dim() == 3) return at::bmm(routing, u_BTF);
  const auto B = u_BTF.size(0), T = u_BTF.size(1), F = u_BTF.size(2), H = routing.size(1);
  const Tensor groups = u_BTF.view({B, T, H, F / H}).transpose(1, 2);
  return at::matmul(routing, groups).transpose(1, 2).reshape({B, T, F});
}

}  // namespace

CrossToken::CrossToken(const CrossTokenConfig& config, const ParameterSet& parameters,
                       const std::string& prefix)
    : config_(config) {
  if (config.rank == 0) {
    proj_ = parameters[prefix + "cross_proj.weight"];
  } else {
    down_ = parameters[prefix + "cross_down.weight"];
    up_ = parameters[prefix + "cross_up.weight"];
  }
}

Tensor CrossToken::operator()(const Tensor& u_BTF, const Tensor& weights_BHTT, const Pass& pass) const {
  Tensor rows = config_.head_average ? weights_BHTT.mean(1) : weights_BHTT;
  if (config_.detach) rows = rows.detach();
  const Tensor routing = sparsify(rows, config_).to(pass.dtype);
  if (config_.rank == 0) return linear(route(routing, u_BTF), proj_, {}, pass);
  // One routing for all channels commutes with the map down: routing r channels instead of F is the same
  // number.
  const Tensor low = config_.head_average ? route(routing, linear(u_BTF, down_, {}, pass))
                                          : linear(route(routing, u_BTF), down_, {}, pass);
  return linear(low, up_, {}, pass);
}

}  // namespace kablate
