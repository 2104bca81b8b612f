// The decoder of an autoencoder of sequences, which says every token from the state at the last one: MAD's
// compression (Poli et al. 2024, arXiv 2403.17844), with the biases and the norm of the model around it.
#pragma once

#include "model/norm.h"
#include "model/parameters.h"
#include "model/pass.h"
#include "shape/model_spec.h"

namespace kablate {

class AutoencoderDecoder {
 public:
  AutoencoderDecoder(const ModelSpec& spec, const ParameterSet& parameters);

  // What goes into the last norm, [B, T, E], of what the blocks made, x:
  //   z_t = x_last + code_t,  y_t = gelu(W_2·ln_2(gelu(W_1·ln_1(z_t) + b_1)) + b_2)
  // The last is a sequence's last position that is no padding. A place's code is the sines and then the
  // cosines of t·10000^(-i/(E/2 - 1)), i < E/2 (Vaswani et al. 2017, arXiv 1706.03762, section 3.5, laid out
  // as MAD has them), and a 0 where E is odd.
  Tensor operator()(const Tensor& x_BTE, const Pass& pass) const;

 private:
  Norm norm_1_, norm_2_;
  LinearMap fc_1_, fc_2_;
  Tensor codes_TE_;  // of the spec's T places, in the type of statistics
};

}  // namespace kablate
