// Decoding from the cache computes the model that was trained, and keeps what it should.
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/text.h"
#include "config/mechanism.h"
#include "generate/decode.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

constexpr double kDecodesDouble = 1e-10, kDecodesFloat = 1e-5;  // relative to the logits' norm at a position
constexpr double kTimesRounding = 10;   // times what float32 itself costs at a position
constexpr double kMostRounding = 1e-3;  // more than that is no rounding but a full pass that is wrong
constexpr double kSetAside = 0.01;      // of the positions, where the mechanism selects

// ‖found − expected‖ / ‖expected‖ of each position, [B, T]
Tensor gaps(const Tensor& found_BTV, const Tensor& expected_BTV) {
  const Tensor expected = expected_BTV.to(at::kDouble);
  return (found_BTV.to(at::kDouble) - expected).norm(2, -1) / expected.norm(2, -1);
}

// Two sequences. Without positions equal tokens have equal weights, and which of them a selection keeps hangs
// on rounding: there no two of a sequence are alike.
Tensor sequences(const Config& config, std::uint64_t seed) {
  const auto T = config.gpt.context, V = config.gpt.vocabulary;
  if (config.gpt.positions != Positions::kNone || !selects(config)) return random_tokens(config, 2, T, seed);
  auto generator = at::detail::createCPUGenerator(seed);
  const auto row = [&] { return at::randperm(V, generator).narrow(0, 0, std::min(T, V)); };
  const Tensor first = row();
  return at::stack({first, row()});
}

}  // namespace

std::optional<Finding> decode_parity(const Config& step, const Subject& subject) {
  if (!undecodable_reason(step).empty()) return {};
  const at::NoGradGuard no_grad;
  Config config = step;
  config.run.dtype = DType::kFloat32;
  const auto narrow = random_parameters(subject.parameters(config), 11);
  const auto wide = narrow.to(at::kCPU, at::kDouble);
  const Tensor tokens = sequences(config, 10);
  const Tensor full_wide = subject.logits(config, wide, tokens, Dropout()),
               full_narrow = subject.logits(config, narrow, tokens, Dropout());
  const Tensor in_double = gaps(subject.decoded_logits(config, wide, tokens), full_wide);
  const Tensor in_float = gaps(subject.decoded_logits(config, narrow, tokens), full_narrow);
  // A few numbers in a norm magnify rounding, and a weight at the edge of a selection may fall on its other
  // side; in float64 only where two weights are equal, which does not happen twice by chance.
  const Tensor allowed = (gaps(full_narrow, full_wide) * kTimesRounding).clamp(kDecodesFloat, kMostRounding);
  const bool selected = selects(config);
  const auto over = in_float.gt(allowed).sum().item<std::int64_t>(),
             over_in_double = in_double.le(kDecodesDouble).logical_not().sum().item<std::int64_t>();
  const auto aside =
      selected ? std::max<std::int64_t>(1, std::llround(kSetAside * static_cast<double>(in_float.numel())))
               : 0;
  const auto found = str("the cached pass differs from the full one by at most ",
                         scientific(in_double.max().item<double>(), 1), " relative in float64 and ",
                         scientific(in_float.max().item<double>(), 1), " in float32",
                         over > 0 ? str(" (", over, " of ", in_float.numel(), " positions over ",
                                        scientific(kDecodesFloat, 0), " and over rounding)")
                                  : "");
  const auto tied = [&] {
    const auto other = random_parameters(subject.parameters(config), 13).to(at::kCPU, at::kDouble);
    const Tensor others = sequences(config, 14);
    const Tensor again =
        gaps(subject.decoded_logits(config, other, others), subject.logits(config, other, others, Dropout()));
    return selected && over_in_double <= aside && again.le(kDecodesDouble).all().item<bool>();
  };
  // Written so that what is no number fails.
  const bool finite = in_float.isfinite().all().item<bool>() && in_double.isfinite().all().item<bool>();
  return Finding{(over_in_double == 0 || tied()) && over <= aside && finite, found};
}

std::optional<Finding> cache_size(const Config& step, const Subject& subject) {
  if (!undecodable_reason(step).empty()) return {};
  Config config = step;
  config.run.dtype = DType::kFloat32;  // in bfloat16 sums stay float32, which the formulas leave out
  // No more queries are ever kept than there are tokens.
  config.attention.reciprocal_window = std::min(config.attention.reciprocal_window, config.gpt.context);
  const Tensor tokens = random_tokens(config, 1, config.gpt.context, 15);
  const auto held = subject.cache_bytes(config, random_parameters(subject.parameters(config), 16), tokens);
  const auto per_token = static_cast<double>(decode_cache_bytes_per_token(config)),
             fixed = static_cast<double>(decode_cache_bytes_fixed(config));
  const bool equal = held.per_token == per_token && held.fixed == fixed;
  return Finding{equal, str("the cache holds ", held.per_token, " bytes a token and ", held.fixed, " beside",
                            equal ? ", as declared" : str("; declared are ", per_token, " and ", fixed))};
}

}  // namespace kablate
