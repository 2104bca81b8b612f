// The MLP's own maps (spec, section 3). The mechanisms that act on its hidden values belong to the block,
// which may be handed an MLP that other blocks share.
#pragma once

#include <vector>

#include "config/config.h"
#include "model/parameters.h"
#include "model/pass.h"

namespace kablate {

class Mlp {
 public:
  // `prefix` such as "transformer.h.0.mlp.".
  Mlp(const GptConfig& config, const ParameterSet& parameters, const std::string& prefix);

  // u = act(a) of a = x·c_fc, both [B, T, F].
  Tensor before_activation(const Tensor& x_BTE, const Pass& pass) const;
  Tensor activate(const Tensor& a_BTF) const;
  Tensor output(const Tensor& u_BTF, const Pass& pass) const;  // y = u·c_proj, [B, T, E]

  std::vector<Tensor> parameters() const;

 private:
  Activation activation_;
  Tensor fc_weight_, fc_bias_, proj_weight_, proj_bias_;
};

}  // namespace kablate
