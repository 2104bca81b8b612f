#include "model/mlp.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "model/adapter.h"
#include "model/head_maps.h"
#include "model/kernel/fused_activation.h"

namespace kablate {
namespace {

LinearMap find_map(const LayerSpec& layer, const ParameterSet& parameters, const std::string& key) {
  const std::string name = layer.prefix + key;
  if (layer.head_mlps == 0) return parameters.map(name);
  return {parameters[name + "_heads"], layer.bias ? parameters[name + "_heads_bias"] : Tensor()};
}

}  // namespace

Mlp::Mlp(const LayerSpec& layer, const ParameterSet& parameters, const std::string& name)
    : activation_(layer.activation),
      heads_(layer.head_mlps > 0 ? layer.H : 0),
      fc_(find_map(layer, parameters, name + "c_fc")),
      proj_(find_map(layer, parameters, name + "c_proj")) {
  if (activation_ == Activation::kSwiglu) gate_ = find_map(layer, parameters, name + "c_gate");
  if (layer.learned_width) unit_gate_F_ = parameters[layer.prefix + "mlp.unit_gate"];
}

Tensor Mlp::map(const Tensor& x, const LinearMap& map, const Pass& pass) const {
  return heads_ == 0 ? linear(x, map, pass) : linear_by_head(x, map, heads_, pass);
}

Mlp::Linear Mlp::before_activation(const Tensor& x_BTE, const Pass& pass) const {
  return {map(x_BTE, fc_, pass), gate_.weight.defined() ? map(x_BTE, gate_, pass) : Tensor()};
}

Tensor Mlp::activate(const Linear& linear) const {
  const Tensor u_BTF = activated(linear);
  if (!unit_gate_F_.defined()) return u_BTF;
  return u_BTF * (at::sigmoid(unit_gate_F_) * 2).to(u_BTF.scalar_type());
}

std::int64_t Mlp::learned_width() const {
  constexpr double kLeast = 0.05;
  const at::NoGradGuard no_grad;
  // Of [E, F], or [MLPs, D, F / H], each of which serves as many heads.
  const Tensor norms = effective_weight(proj_).to(at::kDouble).norm(2, -2);
  const Tensor norms_F = heads_ == 0 ? norms : norms.repeat_interleave(heads_ / norms.size(0), 0).flatten();
  const Tensor sizes_F = at::sigmoid(unit_gate_F_.to(at::kDouble)) * 2 * norms_F;
  return sizes_F.gt(sizes_F.mean() * kLeast).sum().item<std::int64_t>();
}

Tensor Mlp::activated(const Linear& linear) const {
  switch (activation_) {
    case Activation::kGelu:
      return gelu(linear.a_BTF, /*tanh=*/false);
    case Activation::kGeluTanh:
      return gelu(linear.a_BTF, /*tanh=*/true);
    case Activation::kRelu2:
      return relu_squared(linear.a_BTF);
    case Activation::kSwiglu:
      break;
  }
  return swiglu(linear.a_BTF, linear.gate_BTF);
}

Tensor Mlp::output(const Tensor& u_BTF, const Pass& pass) const { return map(u_BTF, proj_, pass); }

std::vector<Tensor> Mlp::parameters() const {
  std::vector<Tensor> all;
  for (const auto& map : {fc_, gate_, proj_})
    for (const auto& tensor : {map.weight, map.bias, map.adapter.A, map.adapter.B})
      if (tensor.defined()) all.push_back(tensor);
  return all;
}

}  // namespace kablate
