// One transformer block with all of its wiring in one forward (design, decision 5).
#pragma once

#include <memory>
#include <optional>

#include "model/attention/attention.h"
#include "model/feed_forward.h"
#include "model/norm.h"
#include "shape/model_spec.h"

namespace kablate {

class Block {
 public:
  Block(const LayerSpec& layer, const ParameterSet& parameters);

  // The stream above the block; `context` is that of the block under it, replaced by this block's own. With
  // `decoding`, of the token after those of its cache: the stream is [B, 1, E]; or of all that fill it.
  ResidualStream forward(const ResidualStream& stream, BlockContext& context, const Decoding* decoding,
                         const Pass& pass) const;

  const Attention* attention() const { return attention_.get(); }  // null where the layer has none
  const Mlp* mlp() const { return feed_forward_ == nullptr ? nullptr : feed_forward_->mlp(); }

 private:
  // x <- x + norm_post(f(norm(x))) and its other placements (spec, section 1).
  template <typename Function>
  ResidualStream residual(const ResidualStream& stream, const Norm& norm, const std::optional<Norm>& post,
                          const Pass& pass, Function f) const;

  AttentionOutput attend(const Tensor& x_BTE, const BlockContext& below, const Decoding* decoding,
                         const Pass& pass) const;

  LayerSpec spec_;
  std::unique_ptr<Attention> attention_;             // null where the layer has none
  std::shared_ptr<const FeedForward> feed_forward_;  // likewise
  std::optional<Norm> norm_1_, norm_2_, post_norm_1_, post_norm_2_;
};

}  // namespace kablate
