// One transformer block with all of its wiring in one forward (design, decision 5).
#pragma once

#include <memory>
#include <optional>

#include "model/attention/attention.h"
#include "model/decode_cache.h"
#include "model/mechanism/cross_token.h"
#include "model/mechanism/gate.h"
#include "model/mechanism/latent_coupler.h"
#include "model/mlp.h"
#include "model/norm.h"
#include "model/recompute.h"
#include "shape/part_shape.h"

namespace kablate {

// What a block's MLP hands to the block above; a tensor is undefined where its mechanism is off.
struct BlockContext {
  Tensor gate_BTH;    // mechanism 1
  Tensor latent_BTL;  // mechanism 3
};

// Owned in common: a backward pass that makes values again may outlive the model.
class Block : public std::enable_shared_from_this<Block> {
 public:
  // `mlp` may be shared with other blocks; null where MLP_EXPANSION is 0.
  Block(const LayerShape& layer, const ParameterSet& parameters, std::shared_ptr<const Mlp> mlp);

  // The stream above the block; `context` is that of the block under it, replaced by this block's own.
  ResidualStream forward(const ResidualStream& stream, BlockContext& context, const Pass& pass) const {
    return run(stream, context, nullptr, pass);
  }

  // The same for the token after the `length - 1` of the cache: x [B, 1, E].
  ResidualStream step(const ResidualStream& stream, BlockContext& context, BlockCache& cache,
                      std::int64_t length, const Pass& pass) const {
    const Decoding decoding{cache, length};
    return run(stream, context, &decoding, pass);
  }

 private:
  struct Decoding {
    BlockCache& cache;
    std::int64_t length;  // tokens up to this one
  };

  // The wiring, of a whole sequence or, with `decoding`, of one token.
  ResidualStream run(const ResidualStream& stream, BlockContext& context, const Decoding* decoding,
                     const Pass& pass) const;

  // x <- x + norm_post(f(norm(x))) and its other placements (spec, section 1).
  template <typename Function>
  ResidualStream residual(const ResidualStream& stream, const Norm& norm, const std::optional<Norm>& post,
                          const Pass& pass, Function f) const;

  AttentionOutput attend(const Tensor& x_BTE, const BlockContext& below, const Decoding* decoding,
                         const Pass& pass) const;
  Tensor project_heads(const AttentionOutput& attention, const BlockContext& below, const Pass& pass) const;
  // The MLP with its mechanisms: all of it made again in the backward pass with RECOMPUTE.
  Tensor mlp(const Tensor& x_BTE, const AttentionOutput& attention, BlockContext& above,
             const Decoding* decoding, const Pass& pass) const;
  Tensor mlp_values(const Tensor& x_BTE, const AttentionOutput& attention, BlockContext& above,
                    const Decoding* decoding, const Pass& pass) const;

  // u after mechanisms 2 and 3 from a = x·c_fc; as it stands in the equations, and with what lies between
  // made again in the backward pass.
  Tensor hidden(const Tensor& a_BTF, const AttentionOutput& attention, BlockContext& above,
                const Decoding* decoding, const Pass& pass) const;
  Tensor remade_hidden(const Tensor& a_BTF, const AttentionOutput& attention, BlockContext& above,
                       const Pass& pass) const;
  // u after mechanism 3.
  Tensor enriched(const Tensor& a_BTF, const Tensor& keys_BTL, BlockContext& above, const Pass& pass) const;

  // x with what the mechanisms read of the attention, for Remaking, and back.
  Tensors inputs_of(const Tensor& x, const AttentionOutput& attention) const;
  static AttentionOutput attention_of(const Tensors& in);

  Config config_;
  std::string name_;
  bool makes_context_;
  std::unique_ptr<Attention> attention_;  // null where GPT2_ATTENTION is off
  std::shared_ptr<const Mlp> mlp_;
  std::optional<Norm> norm_1_, norm_2_, post_norm_1_, post_norm_2_;
  std::optional<ReciprocalGate> gate_;
  std::optional<CrossToken> cross_;
  std::optional<LatentCoupler> coupler_;
  Tensors maps_;  // the parameters of the MLP and its mechanisms
};

}  // namespace kablate
