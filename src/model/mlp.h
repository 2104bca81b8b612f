// The MLP's own maps (spec, section 3). The mechanisms that act on its hidden values belong to the layer
// (model/feed_forward.h), which may share its MLP with others.
#pragma once

#include <string>
#include <vector>

#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

class Mlp {
 public:
  // `name`: of its maps among the layer's, where it is one of several.
  Mlp(const LayerSpec& layer, const ParameterSet& parameters, const std::string& name = "mlp.");

  // What stands before the activation, [B, T, F].
  struct Linear {
    Tensor a_BTF;     // x·c_fc
    Tensor gate_BTF;  // x·c_gate where the activation has a gate, else undefined
  };

  // u = act(x·c_fc), or silu(x·c_gate) ⊙ (x·c_fc). An MLP for each head does so to the head's channels of x;
  // u has those of all heads side by side. A learned width scales each unit: u ⊙ 2σ(unit_gate).
  Linear before_activation(const Tensor& x_BTE, const Pass& pass) const;
  Tensor activate(const Linear& linear) const;
  Tensor output(const Tensor& u_BTF, const Pass& pass) const;  // y = u·c_proj, [B, T, E]

  std::vector<Tensor> parameters() const;

  // The gates of a learned width, [F], the layer's own; undefined where the width is fixed.
  const Tensor& unit_gate() const { return unit_gate_F_; }
  // Its units whose 2σ(gate)·‖their column of c_proj‖ is above 0.05 of the layer's mean. REQUIRES: it is
  // learned.
  std::int64_t learned_width() const;

 private:
  Tensor map(const Tensor& x, const LinearMap& map, const Pass& pass) const;
  Tensor activated(const Linear& linear) const;  // before the width's gates

  Activation activation_;
  std::int64_t heads_ = 0;  // 0: one MLP of all channels
  LinearMap fc_, gate_, proj_;
  Tensor unit_gate_F_;
};

}  // namespace kablate
