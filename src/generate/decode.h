// Decoding token by token from a cache (model/decode_cache.h): each step costs what one token costs, where
// the full pass computes all positions again. The mathematics of a step stands beside that of the full pass,
// in the `step` of each part of the model.
#pragma once

#include <string>

#include "model/decode_cache.h"
#include "model/gpt.h"

namespace kablate {

class Decoder {
 public:
  // Begins empty. The model must outlive the object. Throws UserError with undecodable_reason().
  explicit Decoder(const Gpt& model);

  // The next token of each sequence, [B] int64, to the logits [B, V] that follow it, in the computing type,
  // without gradient. B stays the same until reset(). With learned positions at most GPT2_BLOCK_SIZE
  // tokens.
  Tensor step(const Tensor& tokens_B);

  // The same for the first T tokens of each sequence, [B, T], in one pass: the logits that follow the last.
  // REQUIRES: length() is 0.
  Tensor fill(const Tensor& tokens_BT);

  void reset();  // forgets all tokens

  std::int64_t length() const { return cache_.length; }  // tokens since the start or reset()
  const DecodeCache& cache() const { return cache_; }

 private:
  const Gpt& model_;
  DecodeCache cache_;
};

// Why a model can't be decoded token by token, "" if it can: where a token's values hang on those that
// follow, which is so of bidirectional models, of autoencoders, and with RA_MLA_MLP_GATE_POOL = sequence.
std::string undecodable_reason(const ModelSpec& spec);

}  // namespace kablate
