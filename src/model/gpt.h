// GPT-2 (Radford et al. 2019) with the configured attention and mechanisms. Start here in model/.
#pragma once

#include <memory>
#include <vector>

#include "config/config.h"
#include "model/block.h"
#include "model/loss.h"
#include "model/norm.h"
#include "model/parameters.h"
#include "model/pass.h"

namespace kablate {

class Gpt {
 public:
  // The parameters must be those of model_parameters(config). They decide device and precision: float64
  // parameters compute in float64, float32 ones in the configured DTYPE.
  Gpt(const Config& config, const ParameterSet& parameters);

  // Token ids [B, T] (int64, T <= context) to logits [B, T, V] in the computing type. Without dropout, or
  // with it.
  Tensor logits(const Tensor& tokens_BT) const { return logits(tokens_BT, Dropout()); }
  Tensor logits(const Tensor& tokens_BT, const Dropout& dropout) const;

  // The same before the product with the head's weight, for a loss.
  Head head(const Tensor& tokens_BT, const Dropout& dropout = {}) const;

  // The logits [B, V] after one token more, tokens [B], for sequences whose earlier tokens went into `cache`:
  // what logits() gives at that position, up to rounding. generate/decode.h is the way to use it.
  Tensor step(const Tensor& tokens_B, DecodeCache& cache) const;

  // What the mechanisms of each block do on these sequences, from the lowest up: one pass without dropout.
  std::vector<BlockObservation> observe(const Tensor& tokens_BT) const;

  const Config& config() const { return config_; }

 private:
  Tensor final_values(const Tensor& tokens_BT, const Pass& pass) const;  // before the output head, [B, T, E]

  Config config_;
  at::ScalarType dtype_;
  Tensor token_embedding_, position_embedding_, head_weight_;
  std::vector<std::shared_ptr<const Block>> blocks_;
  Norm norm_;
};

}  // namespace kablate
