// GPT-2 (Radford et al. 2019) with the configured attention and mechanisms. Start here in model/.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "model/autoencoder.h"
#include "model/block.h"
#include "model/loss.h"
#include "model/norm.h"
#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

class Gpt {
 public:
  // The parameters must be those of model_parameters(spec). They decide device and precision: float64
  // parameters compute in float64, float32 ones in the DTYPE of the description.
  Gpt(const ModelSpec& spec, const ParameterSet& parameters);

  // Token ids [B, T] (int64; with learned positions T <= spec().T) to logits [B, T, V] in the computing type.
  // Without dropout, or with it.
  Tensor logits(const Tensor& tokens_BT) const { return logits(tokens_BT, Dropout()); }
  Tensor logits(const Tensor& tokens_BT, const Dropout& dropout) const;

  // Of sequences of which some positions are padding: keep [B, T] bool. No kept position reads a padded one;
  // what stands at those is unspecified. REQUIRES: every sequence keeps one.
  Tensor logits(const Tensor& tokens_BT, const Tensor& keep_BT, const Dropout& dropout) const;

  // The same as if `first` tokens that none of these sees stood before them.
  Tensor logits_from(std::int64_t first, const Tensor& tokens_BT) const;

  // The same before the product with the head's weight, for a loss.
  Head head(const Tensor& tokens_BT, const Dropout& dropout = {}, const Tensor& keep_BT = {}) const {
    return head(0, tokens_BT, keep_BT, dropout);
  }

  // The critic's logit that a token is not the one that stood there, [B, T], from Head::values_BTE. REQUIRES:
  // spec().critic.
  Tensor critic(const Tensor& values_BTE) const;

  // The logits [B, V] after one token more, tokens [B], for sequences whose earlier tokens went into `cache`:
  // what logits() gives at that position, up to rounding. generate/decode.h is the way to use it.
  Tensor step(const Tensor& tokens_B, DecodeCache& cache) const;

  // The same after tokens [B, T], the first of their sequences, in one pass: `cache` must be empty.
  Tensor fill(const Tensor& tokens_BT, DecodeCache& cache) const;

  // What the mechanisms of each block do on these sequences, from the lowest up: one pass without dropout.
  std::vector<BlockObservation> observe(const Tensor& tokens_BT, const Tensor& keep_BT = {}) const;

  // The head on these sequences; `observer` gets what every head attends to, P [B, H, T, T], layer after
  // layer from the lowest up. One pass without dropout or gradients.
  Head observe_rows(const Tensor& tokens_BT, const RowsObserver& observer) const;

  // Of each head its OV map through head and embeddings, with M = value_mapᵀ·output_mapᵀ·W_U·W_E [E, E] as
  // x·M has it, in the D channels of its values: [H, D, D] in float64, with the eigenvalues of M but for
  // E - D that are 0. Undefined where the layer has no attention.
  std::vector<Tensor> copying_maps() const;

  // Where the MLPs' widths are learned: the mean of σ(gate) over all units of all layers, and what is left of
  // each layer's width, 0 where it has no MLP (model/mlp.h).
  Tensor mean_unit_gate() const;
  std::vector<std::int64_t> learned_widths() const;

  const ModelSpec& spec() const { return spec_; }

 private:
  Head head(std::int64_t first, const Tensor& tokens_BT, const Tensor& keep_BT, const Dropout& dropout) const;
  // For T tokens from position `first` on: sequences, or a step of one.
  Pass make_pass(std::int64_t first, std::int64_t T, const Dropout& dropout,
                 const Tensor& keep_BT = {}) const;
  Rotation rotation(std::int64_t first, std::int64_t T) const;
  void check_length(std::int64_t T) const;
  // Before the output head, [B, T, E]; with a cache, of the token after those that it has seen, [B, 1, E],
  // or of all that fill it.
  Tensor final_values(const Tensor& tokens_BT, DecodeCache* cache, const Pass& pass) const;

  ModelSpec spec_;
  at::ScalarType dtype_;
  Tensor token_embedding_, position_embedding_, head_weight_, critic_weight_,
      critic_bias_;    // position_embedding_ undefined without one
  Rotation rotation_;  // of the spec's T positions, where rotary
  std::vector<std::unique_ptr<const Block>> blocks_;
  std::optional<AutoencoderDecoder> decoder_;
  Norm norm_;
};

}  // namespace kablate
