// Mechanism 2, cross-token aggregation (spec, section 3): hidden values gathered from other positions along
// the same layer's attention rows.
#pragma once

#include "config/config.h"
#include "model/parameters.h"
#include "model/pass.h"

namespace kablate {

class CrossToken {
 public:
  CrossToken(const CrossTokenConfig& config, const ParameterSet& parameters, const std::string& prefix);

  // (R·u)·cross_proj, [B, T, F], to be added with weight α_cross. R are the attention's weights P [B, H, T,
  // T] averaged over heads (or head h for the h-th group of F/H channels), then sparsified.
  Tensor operator()(const Tensor& u_BTF, const Tensor& weights_BHTT, const Pass& pass) const;

 private:
  CrossTokenConfig config_;
  Tensor proj_, down_, up_;  // proj_, or down_ and up_ where the map has a rank
};

}  // namespace kablate
