// Self-attention of one block: what goes in and what comes out; and the plain kind, multi-head attention
// (spec, section 2). Those with latents are in mla.h and deepseek.h.
#pragma once

#include <memory>
#include <string>

#include "model/attention/attend.h"
#include "model/decode_cache.h"
#include "model/linear.h"
#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

struct AttentionOutput {
  Tensor heads_BTHD;   // o = P·v, before gating and the output map
  AttentionRows rows;  // for routing
  Tensor keys_BTL;     // c_k after the latent context was added; undefined for multi-head attention
};

class Attention {
 public:
  virtual ~Attention() = default;

  // x [B, T, E]; key_addition [B, T, L] is added to the latent keys, undefined for none. `filled` is null, or
  // an empty cache that gets what tokens after these need of them.
  virtual AttentionOutput attend(const Tensor& x_BTE, const Tensor& key_addition_BTL, const RowsRequest& rows,
                                 AttentionCache* filled, const Pass& pass) const = 0;

  // The same for the token after those of the cache, which gets what later tokens need of it: x [B, 1, E],
  // key_addition [B, 1, L]. Gives heads [B, 1, H, D], the rows of every head [B, H, 1, t] over the t tokens
  // up to it, and its key [B, 1, L].
  virtual AttentionOutput step(const Tensor& x_B1E, const Tensor& key_addition_B1L, AttentionCache& cache,
                               const Pass& pass) const = 0;

  virtual LinearMap output_map() const = 0;  // heads [B, T, H·D] to [B, T, E]

  // The linear map from x to each head's values, [H, D, E]: with adapters, without biases, and without norms
  // that lie between.
  virtual Tensor value_maps() const = 0;
};

// The kind that the layer has; null where it has none.
std::unique_ptr<Attention> make_attention(const LayerSpec& layer, const ParameterSet& parameters);

// Multi-head attention (Vaswani et al. 2017): [q k v] = x·c_attn, scores over √D. K heads of keys and values
// are read by H/K heads of queries each (Ainslie et al. 2023, "GQA").
class MultiHeadAttention : public Attention {
 public:
  MultiHeadAttention(const LayerSpec& layer, const ParameterSet& parameters);
  AttentionOutput attend(const Tensor& x_BTE, const Tensor& key_addition_BTL, const RowsRequest& rows,
                         AttentionCache* filled, const Pass& pass) const override;
  AttentionOutput step(const Tensor& x_B1E, const Tensor& key_addition_B1L, AttentionCache& cache,
                       const Pass& pass) const override;
  LinearMap output_map() const override;
  Tensor value_maps() const override;

 private:
  // Heads of queries, of keys and of values, [B, T, H + 2K, D], normed and rotated as far as they are.
  Tensor queries_keys_values(const Tensor& x_BTE, const Pass& pass) const;

  std::int64_t H_, K_, D_, R_;
  bool qk_norm_;
  std::string site_;
  LinearMap attn_, proj_;
};

}  // namespace kablate
