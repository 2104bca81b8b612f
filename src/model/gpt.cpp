#include "model/gpt.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "model/adapter.h"

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
      position_embedding_(spec.positions == Positions::kLearned ? parameters["transformer.wpe.weight"]
                                                                : Tensor()),
      head_weight_(parameters["lm_head.weight"]),
      norm_(parameters, "transformer.ln_f", spec.norm) {
  dtype_ = computing_type(spec, token_embedding_);
  if (spec_.critic) critic_weight_ = parameters["critic.weight"], critic_bias_ = parameters["critic.bias"];
  if (spec_.autoencoder) decoder_.emplace(spec_, parameters);
  if (spec_.rotary_width() > 0) rotation_ = rotation(0, spec_.T);
  for (const auto& layer : spec_.layers) blocks_.push_back(std::make_unique<const Block>(layer, parameters));
}

Tensor Gpt::logits(const Tensor& tokens_BT, const Dropout& dropout) const {
  return head(tokens_BT, dropout).logits();
}

Tensor Gpt::logits(const Tensor& tokens_BT, const Tensor& keep_BT, const Dropout& dropout) const {
  return head(0, tokens_BT, keep_BT, dropout).logits();
}

Tensor Gpt::logits_from(std::int64_t first, const Tensor& tokens_BT) const {
  return head(first, tokens_BT, {}, Dropout()).logits();
}

Head Gpt::head(std::int64_t first, const Tensor& tokens_BT, const Tensor& keep_BT,
               const Dropout& dropout) const {
  const std::int64_t T = tokens_BT.size(1);
  check_length(first + T);
  std::vector<Tensor> balances;
  Pass pass = make_pass(first, T, dropout, keep_BT);
  pass.balances = &balances;
  const Tensor values_BTE = final_values(tokens_BT, nullptr, pass);
  return {.values_BTE = values_BTE,
          .weight_VE = head_weight_,
          .type = dtype_,
          .limits = spec_.compute.limits,
          .balance = balances.empty() ? Tensor() : at::stack(balances).sum()};
}

Tensor Gpt::critic(const Tensor& values_BTE) const {
  TORCH_CHECK(critic_weight_.defined(), "this model has no critic");
  return at::linear(values_BTE.to(statistics_type(dtype_)), critic_weight_, critic_bias_).squeeze(2);
}

std::vector<BlockObservation> Gpt::observe(const Tensor& tokens_BT, const Tensor& keep_BT) const {
  const at::NoGradGuard no_grad;
  std::vector<BlockObservation> observations;
  Pass pass = make_pass(0, tokens_BT.size(1), {}, keep_BT);
  pass.observations = &observations;
  final_values(tokens_BT, nullptr, pass);
  return observations;
}

Head Gpt::observe_rows(const Tensor& tokens_BT, const RowsObserver& observer) const {
  const at::NoGradGuard no_grad;
  Pass pass = make_pass(0, tokens_BT.size(1), {});
  pass.rows_observer = &observer;
  check_length(tokens_BT.size(1));
  return {.values_BTE = final_values(tokens_BT, nullptr, pass),
          .weight_VE = head_weight_,
          .type = dtype_,
          .limits = spec_.compute.limits};
}

// (V_hᵀ·O_hᵀ)·X and O_hᵀ·X·V_hᵀ, X = W_U·W_E, have the same eigenvalues other than 0.
std::vector<Tensor> Gpt::copying_maps() const {
  const at::NoGradGuard no_grad;
  const Tensor through_EE = at::mm(head_weight_.to(at::kDouble).t(), token_embedding_.to(at::kDouble));
  std::vector<Tensor> maps;
  for (const auto& block : blocks_) {
    const Attention* const attention = block->attention();
    if (attention == nullptr) {
      maps.emplace_back();
      continue;
    }
    const Tensor value_HDE = attention->value_maps().to(at::kDouble);
    const Tensor output_EHD = effective_weight(attention->output_map())
                                  .to(at::kDouble)
                                  .unflatten(1, {value_HDE.size(0), value_HDE.size(1)});
    maps.push_back(at::matmul(at::matmul(output_EHD.permute({1, 2, 0}), through_EE), value_HDE.mT()));
  }
  return maps;
}

Tensor Gpt::mean_unit_gate() const {
  std::vector<Tensor> gates_F;
  for (const auto& block : blocks_)
    if (block->mlp() != nullptr) gates_F.push_back(block->mlp()->unit_gate());
  return at::sigmoid(at::cat(gates_F)).mean();
}

std::vector<std::int64_t> Gpt::learned_widths() const {
  std::vector<std::int64_t> widths;
  for (const auto& block : blocks_)
    widths.push_back(block->mlp() == nullptr ? 0 : block->mlp()->learned_width());
  return widths;
}

Tensor Gpt::step(const Tensor& tokens_B, DecodeCache& cache) const {
  check_length(cache.length + 1);
  const Pass pass = make_pass(cache.length++, 1, {});
  const Tensor values_B1E = final_values(tokens_B.unsqueeze(1), &cache, pass);
  return linear(values_B1E, head_weight_, {}, pass).squeeze(1);
}

Tensor Gpt::fill(const Tensor& tokens_BT, DecodeCache& cache) const {
  const std::int64_t T = tokens_BT.size(1);
  TORCH_CHECK(cache.length == 0, "a cache of ", cache.length, " tokens can't be filled from the start");
  check_length(T);
  cache.length = T;
  const Pass pass = make_pass(0, T, {});
  return linear(final_values(tokens_BT, &cache, pass).select(1, T - 1), head_weight_, {}, pass);
}

void Gpt::check_length(std::int64_t T) const {
  TORCH_CHECK(T <= spec_.T || spec_.positions != Positions::kLearned, "a sequence of ", T,
              " tokens for a model with positions for ", spec_.T);
}

Rotation Gpt::rotation(std::int64_t first, std::int64_t T) const {
  const auto R = spec_.rotary_width();
  if (R == 0) return {};
  if (rotation_.defined() && first + T <= spec_.T)
    return {rotation_.cos_TP.narrow(0, first, T), rotation_.sin_TP.narrow(0, first, T)};
  return make_rotation(first, T, R, spec_.rope_base,
                       token_embedding_.options().dtype(statistics_type(dtype_)));
}

Pass Gpt::make_pass(std::int64_t first, std::int64_t T, const Dropout& dropout, const Tensor& keep_BT) const {
  Pass pass{.dtype = dtype_,
            .first_position = first,
            .span = {.causal = spec_.causal, .keep_BT = keep_BT},
            .rotation = rotation(first, T),
            .dropout = dropout};
  if (keep_BT.defined()) pass.span.bias_BTT = pass.span.bias(T, token_embedding_.options().dtype(dtype_));
  const auto pools = [](const LayerSpec& layer) {
    return layer.gate && layer.makes_context && layer.gate->pool == GatePool::kCausalMean;
  };
  if (pass.span.plainly_causal() && std::any_of(spec_.layers.begin(), spec_.layers.end(), pools))
    pass.causal_mean_TT = causal_mean(T, token_embedding_.options().dtype(statistics_type(dtype_)));
  return pass;
}

Tensor Gpt::final_values(const Tensor& tokens_BT, DecodeCache* cache, const Pass& pass) const {
  Tensor x_BTE = at::embedding(token_embedding_, tokens_BT);
  if (position_embedding_.defined())
    x_BTE = x_BTE + position_embedding_.narrow(0, pass.first_position, tokens_BT.size(1));
  ResidualStream stream{pass.dropout.apply(x_BTE, "embedding"), {}};
  BlockContext context;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    std::optional<Decoding> decoding;
    if (cache != nullptr)
      decoding.emplace(
          Decoding{.cache = cache->blocks[i], .length = cache->length, .filling = tokens_BT.size(1) > 1});
    stream = blocks_[i]->forward(stream, context, decoding ? &*decoding : nullptr, pass);
  }
  if (decoder_) stream = {(*decoder_)(stream.sum(), pass), {}};
  return norm_(stream, dtype_).normed;
}

}  // namespace kablate
