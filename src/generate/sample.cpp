#include "generate/sample.h"

#include <algorithm>
#include <optional>
#include <span>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/rng.h"
#include "base/text.h"
#include "generate/decode.h"
#include "generate/likeliest.h"

namespace kablate {
namespace {

using Ids = std::vector<std::int64_t>;

// The id at which the cumulative probability of `ids` passes `u`.
std::int64_t draw(const Tensor& logits_V, const Tensor& ids, double u, const SampleOptions& options) {
  const Tensor drawn_I = logits_V.to(at::kCPU, at::kDouble).index_select(0, ids);
  Tensor scaled_I = (drawn_I - drawn_I.max()) / options.temperature;  // the largest is 0 at any temperature
  const std::int64_t count = ids.numel();
  scaled_I = likeliest(scaled_I, options.top_k, options.top_p);
  const Tensor cumulative_I = scaled_I.softmax(0).cumsum(0);
  const auto* sums = cumulative_I.const_data_ptr<double>();
  // Rounding may leave the last sum a little under 1: then it is the last that may be drawn.
  auto place = std::upper_bound(sums, sums + count, u) - sums;
  if (place == count) place = std::lower_bound(sums, sums + count, sums[count - 1]) - sums;
  return options.ids[static_cast<std::size_t>(place)];
}

// The logits [B, V] that follow growing lists of tokens, all of one length.
class NextLogits {
 public:
  NextLogits(const Gpt& model, std::int64_t context, c10::Device device)
      : model_(model), context_(context), device_(device) {
    if (undecodable_reason(model.spec()).empty()) decoder_.emplace(model);
  }

  Tensor operator()(const std::vector<Ids>& texts) {
    const auto size = std::ssize(texts.front());
    const auto start = tokens_out_of_sight(size, context_);
    if (!decoder_) {
      const Tensor logits_BTV = model_.logits(columns(texts, start, size));
      return logits_BTV.select(1, size - start - 1);
    }
    if (start != start_) decoder_->reset(), start_ = start;
    Tensor logits_BV;
    for (auto t = start + decoder_->length(); t < size; ++t)
      logits_BV = decoder_->step(columns(texts, t, t + 1).squeeze(1));
    return logits_BV;
  }

 private:
  Tensor columns(const std::vector<Ids>& texts, std::int64_t begin, std::int64_t end) const {
    Ids window;
    for (const auto& text : texts) window.insert(window.end(), text.begin() + begin, text.begin() + end);
    return at::tensor(window, at::kLong).view({std::ssize(texts), end - begin}).to(device_);
  }

  const Gpt& model_;
  std::int64_t context_, start_ = 0;
  c10::Device device_;
  std::optional<Decoder> decoder_;
};

// `drawn` is given each text's number and its new token, if it goes on; false ends that text.
std::vector<Ids> sample_batch(const Gpt& model, const Ids& prompt, std::int64_t count, std::int64_t context,
                              c10::Device device, const SampleOptions& options,
                              const std::function<bool(std::size_t, std::int64_t)>& drawn) {
  TORCH_CHECK(!prompt.empty() && !options.ids.empty() && count > 0,
              "sampling needs a prompt and ids to draw");
  const at::NoGradGuard no_grad;
  const Tensor ids = at::tensor(options.ids, at::kLong);
  const auto B = static_cast<std::size_t>(count);
  std::vector<std::uint64_t> keys;
  for (std::size_t i = 0; i < B; ++i)
    keys.push_back(stream_key(options.seed, i == 0 ? "sample" : str("sample/", i)));
  std::vector<Ids> texts(B, prompt);
  std::vector<std::size_t> sizes(B, 0);  // of the texts that have ended: they go on in the batch, unread
  NextLogits next_logits(model, context, device);
  for (std::int64_t n = 0; n < options.tokens; ++n) {
    const Tensor logits_BV = next_logits(texts);
    bool all_ended = true;
    for (std::size_t i = 0; i < B; ++i) {
      auto& text = texts[i];
      if (sizes[i] > 0) {
        text.push_back(text.back());
        continue;
      }
      const double u = random_uniform(keys[i], static_cast<std::uint64_t>(n));
      text.push_back(draw(logits_BV[static_cast<std::int64_t>(i)], ids, u, options));
      const bool goes_on = !drawn || drawn(i, text.back());
      const auto so_far = std::span<const std::int64_t>(text).subspan(prompt.size());
      if (!goes_on || ends_in(so_far, options.stop) || (options.ended && options.ended(so_far)))
        sizes[i] = text.size();
      all_ended = all_ended && sizes[i] > 0;
    }
    if (all_ended) break;
  }
  for (std::size_t i = 0; i < B; ++i)
    if (sizes[i] > 0) texts[i].resize(sizes[i]);
  return texts;
}

}  // namespace

std::int64_t tokens_out_of_sight(std::int64_t size, std::int64_t context) {
  const std::int64_t dropped = context - context / 2, beyond = std::max<std::int64_t>(0, size - context);
  return (beyond + dropped - 1) / dropped * dropped;
}

std::vector<std::int64_t> sample_tokens(const Gpt& model, std::vector<std::int64_t> prompt,
                                        std::int64_t context, c10::Device device,
                                        const SampleOptions& options,
                                        const std::function<bool(std::int64_t)>& drawn) {
  const auto one = [&](std::size_t, std::int64_t id) { return !drawn || drawn(id); };
  return sample_batch(model, prompt, 1, context, device, options, one).front();
}

std::vector<std::vector<std::int64_t>> sample_sequences(const Gpt& model,
                                                        const std::vector<std::int64_t>& prompt,
                                                        std::int64_t count, std::int64_t context,
                                                        c10::Device device, const SampleOptions& options) {
  const auto go_on = [](std::size_t, std::int64_t) { return true; };
  return sample_batch(model, prompt, count, context, device, options, go_on);
}

bool ends_in(std::span<const std::int64_t> tokens, std::span<const std::int64_t> stop) {
  return !stop.empty() && tokens.size() >= stop.size() &&
         std::equal(stop.begin(), stop.end(), tokens.end() - std::ssize(stop));
}

std::int64_t tokens_before_stop(std::span<const std::int64_t> tokens, std::span<const std::int64_t> stop) {
  for (auto held = std::min(tokens.size(), stop.size()); held > 0; --held)
    if (std::equal(stop.begin(), stop.begin() + static_cast<std::ptrdiff_t>(held),
                   tokens.end() - static_cast<std::ptrdiff_t>(held)))
      return static_cast<std::int64_t>(tokens.size() - held);
  return std::ssize(tokens);
}

}  // namespace kablate
