#include "generate/decode.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"

namespace kablate {
namespace {

DecodeCache empty_cache(const ModelSpec& spec) { return {std::ssize(spec.layers), spec.T}; }

}  // namespace

Decoder::Decoder(const Gpt& model) : model_(model), cache_(empty_cache(model.spec())) {
  if (const auto reason = undecodable_reason(model.spec()); !reason.empty()) throw UserError(reason);
}

Tensor Decoder::step(const Tensor& tokens_B) {
  const at::NoGradGuard no_grad;
  return model_.step(tokens_B, cache_);
}

Tensor Decoder::fill(const Tensor& tokens_BT) {
  const at::NoGradGuard no_grad;
  return model_.fill(tokens_BT, cache_);
}

void Decoder::reset() { cache_ = empty_cache(model_.spec()); }

std::string undecodable_reason(const ModelSpec& spec) {
  if (!spec.causal)
    return "ATTENTION_DIRECTION = bidirectional: every token's values hang on those that follow it, so they "
           "can't be decoded one by one; text comes from `kablate sample`, which fills in all places step by "
           "step";
  if (spec.autoencoder)
    return "AUTOENCODER = y: every token is said from the state at the last one, so none can be decoded "
           "before all are there; `kablate logits` gives what it says of sequences";
  const auto hangs_on_later = [](const LayerSpec& layer) {
    return layer.gate && layer.gate->pool == GatePool::kSequence;
  };
  if (std::none_of(spec.layers.begin(), spec.layers.end(), hangs_on_later)) return "";
  return "RA_MLA_MLP_GATE_POOL = sequence: a token's gate hangs on the tokens that follow it, so they "
         "can't be decoded one by one; use causal_mean or token";
}

}  // namespace kablate
