#include "model/mlp.h"

#include "model/kernel/fused_gelu.h"

namespace kablate {

Mlp::Mlp(const GptConfig& config, const ParameterSet& parameters, const std::string& prefix)
    : activation_(config.activation),
      fc_weight_(parameters[prefix + "c_fc.weight"]),
      proj_weight_(parameters[prefix + "c_proj.weight"]) {
  if (!config.bias) return;
  fc_bias_ = parameters[prefix + "c_fc.bias"];
  proj_bias_ = parameters[prefix + "c_proj.bias"];
}

Tensor Mlp::before_activation(const Tensor& x_BTE, const Pass& pass) const {
  return linear(x_BTE, fc_weight_, fc_bias_, pass);
}

Tensor Mlp::activate(const Tensor& a_BTF) const { return gelu(a_BTF, activation_ == Activation::kGeluTanh); }

std::vector<Tensor> Mlp::parameters() const {
  std::vector<Tensor> all = {fc_weight_, proj_weight_};
  if (fc_bias_.defined()) all.insert(all.end(), {fc_bias_, proj_bias_});
  return all;
}

Tensor Mlp::output(const Tensor& u_BTF, const Pass& pass) const {
  return linear(u_BTF, proj_weight_, proj_bias_, pass);
}

}  // namespace kablate
