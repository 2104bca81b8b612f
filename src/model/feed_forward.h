// The MLP's half of a layer: an MLP, and the mechanisms that act on its hidden values (spec, section 3).
//
//   u = act(x·c_fc)                    or of each head's channels alone
//   u ← u ⊙ 2σ(unit_gate)              a learned width
//   u ← u + α_recip·enrich(c_k)        mechanism 3; its context for the layer above from u before this
//   u ← u + α_cross·(R·u)·cross_proj   mechanism 2
//   g = σ(pool(u·gate_proj)·gate_to_heads)   mechanism 1, for the layer above
//   y = u·c_proj
//
// With experts (model/experts.h) u and y are those of the chosen ones, by their weights.
#pragma once

#include <memory>
#include <optional>

#include "model/attention/attention.h"
#include "model/decode_cache.h"
#include "model/experts.h"
#include "model/mechanism/cross_token.h"
#include "model/mechanism/gate.h"
#include "model/mechanism/latent_coupler.h"
#include "model/mlp.h"
#include "model/recompute.h"
#include "shape/model_spec.h"

namespace kablate {

// What a layer's MLP hands to the layer above; a tensor is undefined where its mechanism is off.
struct BlockContext {
  Tensor gate_BTH;    // mechanism 1
  Tensor latent_BTL;  // mechanism 3
};

// Where a token is decoded, or an empty cache is filled by a pass over many.
struct Decoding {
  BlockCache& cache;
  std::int64_t length;  // tokens up to the last of these
  bool filling;
};
inline bool is_step(const Decoding* decoding) { return decoding != nullptr && !decoding->filling; }

// Owned in common: a backward pass that recomputes values may outlive the model.
class FeedForward : public std::enable_shared_from_this<FeedForward> {
 public:
  // REQUIRES: the layer has an MLP.
  FeedForward(const LayerSpec& layer, const ParameterSet& parameters);

  RowsRequest wanted_rows() const;                            // of the layer's attention
  const Mlp* mlp() const { return mlp_ ? &*mlp_ : nullptr; }  // null where there are experts

  // y [B, T, E] of x, the norm's output, with what the layer's attention left; `above` gets what the layer
  // above is handed. With `decoding`, of one token, [B, 1, E], or of all that fill its cache. With RECOMPUTE
  // the backward pass recomputes all of it.
  Tensor forward(const Tensor& x_BTE, const AttentionOutput& attention, BlockContext& above,
                 const Decoding* decoding, const Pass& pass) const;

 private:
  // `routing`: of x, where there are experts.
  Tensor values(const Tensor& x_BTE, const Routing& routing, const AttentionOutput& attention,
                BlockContext& above, const Decoding* decoding, const Pass& pass) const;
  Tensor routed(const Tensor& x_BTE, const Routing& routing, BlockContext& above, const Decoding* decoding,
                const Pass& pass) const;
  void hand_gate(const Tensor& u_BTF, BlockContext& above, const Decoding* decoding, const Pass& pass) const;

  // u after mechanisms 2 and 3 from what stands before the activation; as it stands in the equations, and
  // with what lies between recomputed in the backward pass.
  Tensor hidden(const Mlp::Linear& before, const AttentionOutput& attention, BlockContext& above,
                const Decoding* decoding, const Pass& pass) const;
  Tensor recomputed_hidden(const Mlp::Linear& before, const AttentionOutput& attention, BlockContext& above,
                           const Pass& pass) const;
  // u after mechanism 3.
  Tensor enriched(const Mlp::Linear& before, const Tensor& keys_BTL, BlockContext& above,
                  const Pass& pass) const;

  // What the mechanisms read, as recompute.h takes it and back.
  struct Inputs {
    Tensor x, gate;             // x_BTE, or what stands before the activation
    AttentionOutput attention;  // keys and rows, where a mechanism reads them
    Tensor samples_B;           // whose dropout it is, where anything drops
    Tensor keep_BT;             // as Span::keep_BT
    Routing routing = {};       // where there are experts: chosen once, since rounding may choose otherwise

    Tensors list() const;
    static Inputs of(const Tensors& list);
  };
  Inputs inputs_of(const Tensor& x, const Tensor& gate, const AttentionOutput& attention,
                   const Pass& pass) const;

  bool recompute_;
  std::int64_t recomputed_rows_;  // Limits::recomputed_rows
  bool makes_context_;
  std::optional<Mlp> mlp_;          // or
  std::optional<Experts> experts_;  // these
  double cross_alpha_ = 0, coupler_alpha_ = 0;
  std::optional<ReciprocalGate> gate_;
  std::optional<CrossToken> cross_;
  std::optional<LatentCoupler> coupler_;
  Tensors maps_;  // the parameters of the MLP and its mechanisms
};

}  // namespace kablate
