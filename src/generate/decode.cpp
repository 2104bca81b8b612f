#include "generate/decode.h"

#include <algorithm>

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
  return "RA_MLA_MLP_GATE_POOL = sequence: a token's gate hangs on the tokens that follow it, so they can't "
         "be "
         "decoded one by one; use causal_mean or token";
}

double decode_gap(const Gpt& model, const Tensor& tokens_BT) {
  const at::NoGradGuard no_grad;
  const Tensor full_BTV = model.logits(tokens_BT).to(at::kDouble);
  Decoder decoder(model);
  double largest = 0;
  for (std::int64_t t = 0; t < tokens_BT.size(1); ++t) {
    const Tensor full_BV = full_BTV.select(1, t);
    const Tensor step_BV = decoder.step(tokens_BT.select(1, t)).to(at::kDouble);
    largest = std::max(largest, ((step_BV - full_BV).norm() / full_BV.norm()).item<double>());
  }
  return largest;
}

}  // namespace kablate
