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

// The token at which the cumulative probability passes `u`.
std::int64_t draw(const Tensor& logits_V, double u, const SampleOptions& options) {
  const Tensor drawn_V = logits_V.to(at::kCPU, at::kDouble).narrow(0, 0, options.vocabulary);
  Tensor scaled_V = (drawn_V - drawn_V.max()) / options.temperature;  // the largest is 0 at any temperature
  if (options.top_k > 0 && options.top_k < options.vocabulary) {
    const Tensor least = std::get<0>(scaled_V.topk(options.top_k)).min();
    scaled_V = scaled_V.masked_fill(scaled_V < least, -std::numeric_limits<double>::infinity());
  }
  const Tensor cumulative_V = scaled_V.softmax(0).cumsum(0);
  const auto* sums = cumulative_V.const_data_ptr<double>();
  const auto* end = sums + options.vocabulary;
  // Rounding may leave the last sum a little under 1.
  return std::min(std::upper_bound(sums, end, u) - sums, options.vocabulary - 1);
}

// The logits [V] that follow a growing list of tokens.
class NextLogits {
 public:
  NextLogits(const Gpt& model, c10::Device device) : model_(model), device_(device) {
    if (undecodable_reason(model.config()).empty()) decoder_.emplace(model);
  }

  Tensor operator()(const std::vector<std::int64_t>& tokens, std::int64_t context) {
    const auto size = static_cast<std::int64_t>(tokens.size());
    if (!decoder_ || size > context) return last_of_full_pass(tokens, std::min(size, context));
    Tensor logits_BV;
    for (const auto token : std::span(tokens).subspan(static_cast<std::size_t>(decoder_->length())))
      logits_BV = decoder_->step(at::full({1}, token, at::kLong).to(device_));
    return logits_BV[0];
  }

 private:
  Tensor last_of_full_pass(const std::vector<std::int64_t>& tokens, std::int64_t seen) const {
    const std::vector<std::int64_t> window(tokens.end() - seen, tokens.end());
    return model_.logits(at::tensor(window, at::kLong).unsqueeze(0).to(device_))[0][seen - 1];
  }

  const Gpt& model_;
  c10::Device device_;
  std::optional<Decoder> decoder_;
};

}  // namespace

std::vector<std::int64_t> sample_tokens(const Gpt& model, std::vector<std::int64_t> prompt,
                                        std::int64_t context, c10::Device device,
                                        const SampleOptions& options, const std::function<void()>& between) {
  TORCH_CHECK(!prompt.empty() && options.vocabulary > 0, "sampling needs a prompt and a vocabulary");
  const at::NoGradGuard no_grad;
  const auto key = stream_key(options.seed, "sample");
  std::vector<std::int64_t> tokens = std::move(prompt);
  NextLogits next_logits(model, device);
  for (std::int64_t n = 0; n < options.tokens; ++n) {
    if (between) between();
    const double u = random_uniform(key, static_cast<std::uint64_t>(n));
    tokens.push_back(draw(next_logits(tokens, context), u, options));
  }
  return tokens;
}

}  // namespace kablate
