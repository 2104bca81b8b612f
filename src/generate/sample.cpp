#include "generate/sample.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"

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

}  // namespace

std::vector<std::int64_t> sample_tokens(const Gpt& model, std::vector<std::int64_t> prompt,
                                        std::int64_t context, c10::Device device,
                                        const SampleOptions& options, const std::function<void()>& between) {
  TORCH_CHECK(!prompt.empty() && options.vocabulary > 0, "sampling needs a prompt and a vocabulary");
  const at::NoGradGuard no_grad;
  const auto key = stream_key(options.seed, "sample");
  std::vector<std::int64_t> tokens = std::move(prompt);
  for (std::int64_t n = 0; n < options.tokens; ++n) {
    if (between) between();
    const auto seen = std::min<std::int64_t>(context, static_cast<std::int64_t>(tokens.size()));
    const Tensor window = at::tensor(
        at::ArrayRef<std::int64_t>(tokens.data() + tokens.size() - seen, static_cast<std::size_t>(seen)),
        at::kLong);
    const Tensor logits_BTV = model.logits(window.unsqueeze(0).to(device));
    tokens.push_back(
        draw(logits_BTV[0][seen - 1], random_uniform(key, static_cast<std::uint64_t>(n)), options));
  }
  return tokens;
}

}  // namespace kablate
