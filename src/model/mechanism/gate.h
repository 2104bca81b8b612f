// Mechanism 1, MLP to attention gate (spec, section 3): the MLP of one block scales the head outputs of the
// next.
#pragma once

#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

class ReciprocalGate {
 public:
  // REQUIRES: the layer has a gate and makes context.
  ReciprocalGate(const LayerSpec& layer, const ParameterSet& parameters);

  // g = σ(pool(u·gate_proj)·gate_to_heads), [B, T, H], for the block above. The pooling is over kept
  // positions <= t, none, or over the whole sequence, which lets a token see its future, as the first does
  // where attention is bidirectional. The first reads the pass's causal_mean_TT, where there is one. `sum` is
  // null, or gets what step() keeps after these tokens.
  Tensor make(const Tensor& u_BTF, Tensor* sum_BG, const Pass& pass) const;

  // The same for one token, the `length`-th of its sequence: u [B, 1, F], g [B, 1, H]; `sum` [B, G] is kept
  // from token to token where pooling needs it, undefined before the first. Pooling over the whole sequence
  // can't be decoded.
  Tensor step(const Tensor& u_B1F, std::int64_t length, Tensor& sum_BG, const Pass& pass) const;

 private:
  GatePool pool_;
  LinearMap proj_, to_heads_;
};

// What a mean over the positions that each sees multiplies with, [B, T, T] or [1, T, T]; a padded one has
// what it sees.
Tensor visible_mean(const Span& span, const Tensor& x_BTG);

// What a mean over positions <= t multiplies with, [T, T]: the running sum has no deterministic kernel on a
// GPU.
Tensor causal_mean(std::int64_t T, at::TensorOptions options);

// concat_h(o_h) through the attention's output map, [B, T, E]; with a gate from the layer below, of the gated
// heads, which the backward pass recomputes. `gate` undefined: none.
Tensor project_heads(const Tensor& heads_BTHD, const Tensor& gate_BTH, double alpha, const LinearMap& map,
                     const Pass& pass);

// o_h[t] <- (1-α)·o_h[t] + α·g[t,h]·o_h[t]; o [B, T, H, D], g [B, T, H].
Tensor apply_gate(const Tensor& heads_BTHD, const Tensor& gate_BTH, double alpha);

}  // namespace kablate
