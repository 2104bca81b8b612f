#include "model/mlp.h"

#include "model/kernel/fused_gelu.h"

namespace kablate {

Mlp::Mlp(const LayerSpec& layer, const ParameterSet& parameters)
    : activation_(layer.activation),
      fc_(parameters.map(layer.prefix + "mlp.c_fc")),
      proj_(parameters.map(layer.prefix + "mlp.c_proj")) {}

Tensor Mlp::before_activation(const Tensor& x_BTE, const Pass& pass) const {
  return linear(x_BTE, fc_, pass);
}

Tensor Mlp::activate(const Tensor& a_BTF) const { return gelu(a_BTF, activation_ == Activation::kGeluTanh); }

Tensor Mlp::output(const Tensor& u_BTF, const Pass& pass) const { return linear(u_BTF, proj_, pass); }

std::vector<Tensor> Mlp::parameters() const {
  std::vector<Tensor> all;
  for (const auto& map : {fc_, proj_})
    for (const auto& tensor : {map.weight, map.bias})
      if (tensor.defined()) all.push_back(tensor);
  return all;
}

}  // namespace kablate
