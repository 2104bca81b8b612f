// A mixture of experts in place of an MLP (Shazeer et al. 2017, arXiv 1701.06538; one expert a token: Fedus
// et al. 2021, "Switch Transformers", arXiv 2101.03961).
//
//   p = softmax(x·router)             [B, T, n], in float32 at least
//   y = Σ_k w_k·MLP_{e_k}(x)          e the TOP largest p, of equal ones the lower index
//   w = p_e of one expert; of two their p, divided by their sum
//   balance = n·Σ_e f_e·P_e           f the load of e, P its mean p, over the positions that are kept
//
// No token is dropped. A layer's tokens are sorted by expert, so that an expert's are one block of rows and
// each of its maps one product.
#pragma once

#include <vector>

#include "model/mlp.h"
#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

// Which experts a layer's tokens go through; k = TOP.
struct Routing {
  Tensor p_BTn;        // float32 at least, with its gradient
  Tensor chosen_BTk;   // int64, the more probable first
  Tensor weights_BTk;  // as p, with its gradient
};

class Experts {
 public:
  // REQUIRES: the layer has experts.
  Experts(const LayerSpec& layer, const ParameterSet& parameters);

  Routing route(const Tensor& x_BTE, const Pass& pass) const;

  struct Output {
    Tensor y_BTE;
    Tensor u_BTF;  // Σ_k w_k·u_{e_k}, where it is asked for
  };
  // Padded tokens (Span::keep_BT) go through none: y and u are 0 there.
  Output forward(const Tensor& x_BTE, const Routing& routing, bool with_hidden, const Pass& pass) const;

  // y of every expert on every token, weighed by 0 where it is not chosen: the reference.
  Output written_out(const Tensor& x_BTE, const Routing& routing, const Pass& pass) const;

  std::vector<Tensor> parameters() const;  // of the experts

 private:
  std::int64_t chosen_;
  Tensor router_nE_;
  std::vector<Mlp> experts_;
};

// The largest `count` (1 or 2) of each row of p [..., n], int64 [..., count].
Tensor chosen_of(const Tensor& p, std::int64_t count);

// f [n], of the positions that are kept, keep [B, T] bool or undefined: shares of their choices, which sum to
// 1.
Tensor loads_of(const Routing& routing, const Tensor& keep_BT);

// n·Σ_e f_e·P_e, a scalar: 1 where loads are even. Its gradient is that of P.
Tensor balance_of(const Routing& routing, const Tensor& keep_BT);

}  // namespace kablate
