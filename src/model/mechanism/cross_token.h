// Mechanism 2, cross-token aggregation (spec, section 3): hidden values gathered from other positions along
// the same layer's attention rows.
#pragma once

#include "model/attention/rows.h"
#include "model/decode_cache.h"
#include "model/linear.h"
#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

class CrossToken {
 public:
  // REQUIRES: the layer has the mechanism.
  CrossToken(const LayerSpec& layer, const ParameterSet& parameters);

  // The rows that it wants of its layer's attention.
  RowsRequest request() const;

  // (R·u)·cross_proj, [B, T, F], is to be added with weight α_cross; this is what its last map reads: R·u, or
  // (R·u)·cross_down where it has a rank. R are the attention's weights P averaged over heads (or head h for
  // the h-th group of F/H channels), then sparsified; in whichever form `rows` has.
  Tensor routed(const Tensor& u_BTF, const AttentionRows& rows, const Pass& pass) const;
  const LinearMap& last_map() const { return config_.rank == 0 ? proj_ : up_; }

  // The sum for one token: u [B, 1, F] of it, weights [B, H, 1, t] of its row, in `past` what the row is
  // routed over of the tokens before it.
  Tensor step(const Tensor& u_B1F, const Tensor& weights_BH1t, History& past, const Pass& pass) const;

  // Adds to `past` what later rows are routed over of these tokens, and gives all of it, [B, t, ...]: the
  // narrowest that serves. u, with one routing for all heads its map down [r], with a routing a head each
  // head's part of that map [H·r] where it is narrower than u.
  Tensor keep(const Tensor& u_BTF, History& past, const Pass& pass) const;

 private:
  bool keeps_hidden(std::int64_t F) const;                           // u itself is what is kept
  Tensor down_by_head(const Tensor& u_BTF, const Pass& pass) const;  // [B, T, H·r]

  CrossTokenConfig config_;
  std::int64_t H_;
  LinearMap proj_, down_, up_;  // proj_, or down_ and up_ where the map has a rank
};

}  // namespace kablate
