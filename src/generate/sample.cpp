#include "generate/sample.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <span>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"
#include "generate/decode.h"

namespace kablate {
namespace {

// The id at which the cumulative probability of `ids` passes `u`.
std::int64_t draw(const Tensor& logits_V, const Tensor& ids, double u, const SampleOptions& options) {
  const Tensor drawn_I = logits_V.to(at::kCPU, at::kDouble).index_select(0, ids);
  Tensor scaled_I = (drawn_I - drawn_I.max()) / options.temperature;  // the largest is 0 at any temperature
  const std::int64_t count = ids.numel();
  if (options.top_k > 0 && options.top_k < count) {
    const Tensor least = std::get<0>(scaled_I.topk(options.top_k)).min();
    scaled_I = scaled_I.masked_fill(scaled_I < least, -std::numeric_limits<double>::infinity());
  }
  const Tensor cumulative_I = scaled_I.softmax(0).cumsum(0);
  const auto* sums = cumulative_I.const_data_ptr<double>();
  // Rounding may leave the last sum a little under 1.
  const auto place = std::min<std::int64_t>(std::upper_bound(sums, sums + count, u) - sums, count - 1);
  return options.ids[static_cast<std::size_t>(place)];
}

// The logits [V] that follow a growing list of tokens.
class NextLogits {
 public:
  NextLogits(const Gpt& model, std::int64_t context, c10::Device device)
      : model_(model), context_(context), device_(device) {
    if (undecodable_reason(model.spec()).empty()) decoder_.emplace(model);
  }

  Tensor operator()(const std::vector<std::int64_t>& tokens) {
    const auto start = tokens_out_of_sight(std::ssize(tokens), context_);
    if (!decoder_) return last_of_full_pass(std::span(tokens).subspan(static_cast<std::size_t>(start)));
    if (start != start_) decoder_->reset(), start_ = start;
    Tensor logits_BV;
    for (const auto token : std::span(tokens).subspan(static_cast<std::size_t>(start + decoder_->length())))
      logits_BV = decoder_->step(at::full({1}, token, at::kLong).to(device_));
    return logits_BV[0];
  }

 private:
  Tensor last_of_full_pass(std::span<const std::int64_t> window) const {
    const Tensor tokens_BT = at::tensor(window, at::kLong).unsqueeze(0).to(device_);
    return model_.logits(tokens_BT)[0][std::ssize(window) - 1];
  }

  const Gpt& model_;
  std::int64_t context_, start_ = 0;
  c10::Device device_;
  std::optional<Decoder> decoder_;
};

}  // namespace

std::int64_t tokens_out_of_sight(std::int64_t size, std::int64_t context) {
  const std::int64_t dropped = context - context / 2, beyond = std::max<std::int64_t>(0, size - context);
  return (beyond + dropped - 1) / dropped * dropped;
}

std::vector<std::int64_t> sample_tokens(const Gpt& model, std::vector<std::int64_t> prompt,
                                        std::int64_t context, c10::Device device,
                                        const SampleOptions& options,
                                        const std::function<bool(std::int64_t)>& drawn) {
  TORCH_CHECK(!prompt.empty() && !options.ids.empty(), "sampling needs a prompt and ids to draw");
  const at::NoGradGuard no_grad;
  const auto key = stream_key(options.seed, "sample");
  const Tensor ids = at::tensor(options.ids, at::kLong);
  std::vector<std::int64_t> tokens = std::move(prompt);
  NextLogits next_logits(model, context, device);
  for (std::int64_t n = 0; n < options.tokens; ++n) {
    const double u = random_uniform(key, static_cast<std::uint64_t>(n));
    tokens.push_back(draw(next_logits(tokens), ids, u, options));
    if (drawn && !drawn(tokens.back())) break;
  }
  return tokens;
}

}  // namespace kablate
