#include "model/gpt.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace kablate {
namespace {

at::ScalarType computing_type(const Config& config, const Tensor& weight) {
  if (weight.scalar_type() == at::kDouble) return at::kDouble;
  return config.run.dtype == DType::kBFloat16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace

Gpt::Gpt(const Config& config, const ParameterSet& parameters)
    : config_(config),
      token_embedding_(parameters["transformer.wte.weight"]),
      position_embedding_(parameters["transformer.wpe.weight"]),
      norm_(parameters, "transformer.ln_f", config.gpt.bias) {
  dtype_ = computing_type(config, token_embedding_);
  head_weight_ = config.gpt.tie_embeddings ? token_embedding_ : parameters["lm_head.weight"];
  for (std::int64_t i = 0; i < config.gpt.num_layers; ++i) {
    const LayerShape layer = layer_shape(config, i);
    const auto mlp =
        layer.F > 0 ? std::make_shared<const Mlp>(config.gpt, parameters, layer.prefix + "mlp.") : nullptr;
    blocks_.push_back(std::make_shared<const Block>(layer, parameters, mlp));
  }
}

Tensor Gpt::logits(const Tensor& tokens_BT, const Dropout& dropout) const {
  return head(tokens_BT, dropout).logits();
}

Head Gpt::head(const Tensor& tokens_BT, const Dropout& dropout) const {
  const std::int64_t T = tokens_BT.size(1);
  const std::int64_t most = config_.gpt.context;
  TORCH_CHECK(T <= most, "a sequence of ", T, " tokens for a model of context ", most);
  const Pass pass = make_pass(T, dtype_, tokens_BT.device(), dropout);
  return {.values_BTE = final_values(tokens_BT, pass), .weight_VE = head_weight_, .type = dtype_};
}

std::vector<BlockObservation> Gpt::observe(const Tensor& tokens_BT) const {
  const at::NoGradGuard no_grad;
  std::vector<BlockObservation> observations;
  Pass pass = make_pass(tokens_BT.size(1), dtype_, tokens_BT.device(), {});
  pass.observations = &observations;
  final_values(tokens_BT, pass);
  return observations;
}

Tensor Gpt::step(const Tensor& tokens_B, DecodeCache& cache) const {
  const std::int64_t position = cache.length++, most = config_.gpt.context;
  TORCH_CHECK(position < most, "token ", position + 1, " of a sequence for a model of context ", most);
  const Pass pass{.dtype = dtype_,
                  .causal_bias = {},
                  .dropout = {},
                  .observations = nullptr};  // a row sees all that is in the cache
  const Tensor position_1E = position_embedding_.narrow(0, position, 1);
  ResidualStream stream{at::embedding(token_embedding_, tokens_B.unsqueeze(1)) + position_1E, {}};
  BlockContext context;
  for (std::size_t i = 0; i < blocks_.size(); ++i)
    stream = blocks_[i]->step(stream, context, cache.blocks[i], cache.length, pass);
  return linear(norm_(stream, dtype_).normed, head_weight_, {}, pass).squeeze(1);
}

Tensor Gpt::final_values(const Tensor& tokens_BT, const Pass& pass) const {
  const Tensor positions_TE = position_embedding_.narrow(0, 0, tokens_BT.size(1));
  const Tensor x_BTE = at::embedding(token_embedding_, tokens_BT) + positions_TE;
  ResidualStream stream{pass.dropout.apply(x_BTE, "embedding"), {}};
  BlockContext context;
  for (const auto& block : blocks_) stream = block->forward(stream, context, pass);
  return norm_(stream, dtype_).normed;
}

}  // namespace kablate
