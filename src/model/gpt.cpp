#include "model/gpt.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace kablate {
namespace {

at::ScalarType computing_type(const ModelSpec& spec, const Tensor& weight) {
  if (weight.scalar_type() == at::kDouble) return at::kDouble;
  return spec.compute.dtype == DType::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace

Gpt::Gpt(const ModelSpec& spec, const ParameterSet& parameters)
    : spec_(spec),
      token_embedding_(parameters["transformer.wte.weight"]),
      position_embedding_(parameters["transformer.wpe.weight"]),
      head_weight_(parameters["lm_head.weight"]),
      norm_(parameters, "transformer.ln_f") {
  dtype_ = computing_type(spec, token_embedding_);
  for (const auto& layer : spec_.layers) blocks_.push_back(std::make_unique<const Block>(layer, parameters));
}

Tensor Gpt::logits(const Tensor& tokens_BT, const Dropout& dropout) const {
  return head(tokens_BT, dropout).logits();
}

Head Gpt::head(const Tensor& tokens_BT, const Dropout& dropout) const {
  const std::int64_t T = tokens_BT.size(1);
  TORCH_CHECK(T <= spec_.T, "a sequence of ", T, " tokens for a model of context ", spec_.T);
  return {.values_BTE = final_values(tokens_BT, nullptr, make_pass(T, dropout)),
          .weight_VE = head_weight_,
          .type = dtype_,
          .limits = spec_.compute.limits};
}

std::vector<BlockObservation> Gpt::observe(const Tensor& tokens_BT) const {
  const at::NoGradGuard no_grad;
  std::vector<BlockObservation> observations;
  Pass pass = make_pass(tokens_BT.size(1), {});
  pass.observations = &observations;
  final_values(tokens_BT, nullptr, pass);
  return observations;
}

Tensor Gpt::step(const Tensor& tokens_B, DecodeCache& cache) const {
  Pass pass = make_pass(1, {});
  pass.first_position = cache.length++;
  TORCH_CHECK(pass.first_position < spec_.T, "token ", cache.length, " of a sequence for a model of context ",
              spec_.T);
  const Tensor values_B1E = final_values(tokens_B.unsqueeze(1), &cache, pass);
  return linear(values_B1E, head_weight_, {}, pass).squeeze(1);
}

Pass Gpt::make_pass(std::int64_t T, const Dropout& dropout) const {
  Pass pass{.dtype = dtype_, .dropout = dropout};
  const auto pools = [](const LayerSpec& layer) {
    return layer.gate && layer.makes_context && layer.gate->pool == GatePool::kCausalMean;
  };
  if (std::any_of(spec_.layers.begin(), spec_.layers.end(), pools))
    pass.causal_mean_TT = causal_mean(T, token_embedding_.options().dtype(statistics_type(dtype_)));
  return pass;
}

Tensor Gpt::final_values(const Tensor& tokens_BT, DecodeCache* cache, const Pass& pass) const {
  const Tensor positions_TE = position_embedding_.narrow(0, pass.first_position, tokens_BT.size(1));
  const Tensor x_BTE = at::embedding(token_embedding_, tokens_BT) + positions_TE;
  ResidualStream stream{pass.dropout.apply(x_BTE, "embedding"), {}};
  BlockContext context;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    std::optional<Decoding> decoding;
    if (cache != nullptr) decoding.emplace(Decoding{cache->blocks[i], cache->length});
    stream = blocks_[i]->forward(stream, context, decoding ? &*decoding : nullptr, pass);
  }
  return norm_(stream, dtype_).normed;
}

}  // namespace kablate
