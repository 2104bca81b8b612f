// The MLP's own maps (spec, section 3). The mechanisms that act on its hidden values belong to the layer
// (model/feed_forward.h), which may share its MLP with others.
#pragma once

#include <vector>

#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

class Mlp {
 public:
  Mlp(const LayerSpec& layer, const ParameterSet& parameters);

  // u = act(a) of a = x·c_fc, both [B, T, F].
  Tensor before_activation(const Tensor& x_BTE, const Pass& pass) const;
  Tensor activate(const Tensor& a_BTF) const;
  Tensor output(const Tensor& u_BTF, const Pass& pass) const;  // y = u·c_proj, [B, T, E]

  std::vector<Tensor> parameters() const;

 private:
  Activation activation_;
  LinearMap fc_, proj_;
};

}  // namespace kablate
