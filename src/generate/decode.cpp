#include "generate/decode.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"

namespace kablate {
namespace {

DecodeCache empty_cache(const Config& config) { return {config.gpt.num_layers, config.gpt.context}; }

}  // namespace

Decoder::Decoder(const Gpt& model) : model_(model), cache_(empty_cache(model.config())) {
  if (const auto reason = undecodable_reason(model.config()); !reason.empty()) throw UserError(reason);
}

Tensor Decoder::step(const Tensor& tokens_B) {
  const at::NoGradGuard no_grad;
  return model_.step(tokens_B, cache_);
}

void Decoder::reset() { cache_ = empty_cache(model_.config()); }

std::string undecodable_reason(const Config& config) {
  if (!config.gate.enabled || config.gate.pool != GatePool::kSequence) return "";
  return "RA_MLA_MLP_GATE_POOL = sequence: a token's gate hangs on the tokens that follow it, so they "
         "can't be decoded one by one; use causal_mean or token";
}

}  // namespace kablate
