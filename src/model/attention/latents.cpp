#include "model/attention/latents.h"

#include <ATen/ATen.h>

#include "model/adapter.h"

namespace kablate {

LatentSourceMap::LatentSourceMap(LinearMap map, std::int64_t L, Tensor norm_weight, double epsilon)
    : map_(std::move(map)), L_(L), normed_(norm_weight.defined()) {
  norm_ = {.kind = NormKind::kRmsNorm, .weight = std::move(norm_weight), .bias = {}, .epsilon = epsilon};
}

Tensor LatentSourceMap::operator()(const Tensor& x_BTE, const Pass& pass) const {
  const Tensor c_BTL = map_.weight.defined() ? linear(x_BTE, map_, pass) : x_BTE.narrow(2, 0, L_);
  return normed_ ? normed_latent(c_BTL, norm_, pass) : c_BTL;
}

Tensor LatentSourceMap::map(std::int64_t E, const at::TensorOptions& options) const {
  return map_.weight.defined() ? effective_weight(map_) : at::eye(L_, E, options.requires_grad(false));
}

Tensor normed_latent(const Tensor& x, const NormFunction& norm, const Pass& pass) {
  return add_norm(x.to(statistics_type(pass)), {}, norm, pass.dtype).normed;
}

Tensor turned(const Tensor& x_BTJR, const Pass& pass) {
  return prepared_heads(x_BTJR, {.turned = x_BTJR.size(2), .rotation = pass.rotation});
}

Tensor beside(const Tensor& own_BTHD, const Tensor& rotary_BTJR) {
  auto sizes = own_BTHD.sizes().vec();
  sizes.back() = rotary_BTJR.size(3);
  return at::cat({own_BTHD, rotary_BTJR.expand(sizes)}, 3);
}

Tensor rotary_scores(const Tensor& q_BHR, const Tensor& k_BtR, const Pass& pass) {
  return at::bmm(q_BHR, k_BtR.transpose(1, 2)).to(statistics_type(pass));
}

}  // namespace kablate
