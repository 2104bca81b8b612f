#include "model/head_maps.h"

#include <ATen/ATen.h>

namespace kablate {
namespace {

// [G, ...] to [H, ...], each as many times as heads use it. Copies of a map are small beside the values.
Tensor of_each_head(const Tensor& of_each_map, std::int64_t H, at::ScalarType type) {
  const Tensor maps = of_each_map.to(type);
  const auto G = maps.size(0);
  if (G == H) return maps;
  auto sizes = maps.sizes().vec();
  sizes.insert(sizes.begin() + 1, H / G);
  return maps.unsqueeze(1).expand(sizes).flatten(0, 1);
}

}  // namespace

Tensor linear_by_head(const Tensor& x, const LinearMap& maps, std::int64_t H, const Pass& pass) {
  const auto B = x.size(0), T = x.size(1), in = maps.weight.size(2);
  // One map for all heads takes their channels as they lie, as if they were positions.
  if (maps.weight.size(0) == 1) {
    const Tensor bias = maps.bias.defined() ? maps.bias[0] : Tensor();
    return linear(x.reshape({B, T * H, in}), maps.weight[0], bias, pass).view({B, T, -1});
  }
  const Tensor x_HNi = x.to(pass.dtype).reshape({B * T, H, in}).transpose(0, 1);
  const Tensor weight_Hio = of_each_head(maps.weight, H, pass.dtype).transpose(1, 2);
  const Tensor y_HNo = maps.bias.defined() ? at::baddbmm(of_each_head(maps.bias, H, pass.dtype).unsqueeze(1),
                                                         x_HNi, weight_Hio)
                                           : at::bmm(x_HNi, weight_Hio);
  return y_HNo.transpose(0, 1).reshape({B, T, -1});
}

}  // namespace kablate
