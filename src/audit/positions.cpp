// What a model knows of positions is what POSITIONS says.
#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {

// In a model of one block a token sees the others through one attention, as a set: without positions their
// order can't count, but for the causal order that the last one does not feel.
std::optional<Finding> positions(const Config& step, const Subject& subject) {
  constexpr double kLeastChange = 1e-3, kRounding = 1e-11;
  constexpr std::int64_t kTokens = 6;
  if (step.gpt.context < kTokens || !step.gpt.attention) return {};
  Config one = one_layer(without_mechanisms(step), 0);
  // Normed, a latent of one channel is a sign: six tokens may all have the same.
  auto& L = one.attention.latent_dim.values[0];
  L = std::max(L, std::min(kTokens, one.gpt.width));
  const auto parameters = random_parameters(subject.parameters(one), 23).to(at::kCPU, at::kDouble);
  const at::NoGradGuard no_grad;
  const Tensor tokens = at::arange(kTokens, at::kLong).remainder(one.gpt.vocabulary).unsqueeze(0);
  Tensor permuted = tokens.clone();
  permuted.narrow(1, 0, kTokens - 1).copy_(tokens.narrow(1, 0, kTokens - 1).flip(1));
  const double change =
      relative_difference(subject.logits(one, parameters, permuted, Dropout()).select(1, kTokens - 1),
                          subject.logits(one, parameters, tokens, Dropout()).select(1, kTokens - 1));
  const bool counts = step.gpt.positions != Positions::kNone;
  const bool passed = counts ? change >= kLeastChange : change <= kRounding;
  return Finding{passed, str("the order of earlier tokens changes the logits of a block by ",
                             scientific(change, 1), " relative",
                             passed   ? ""
                             : counts ? "; at least 1e-3 is asked for"
                                      : "; with POSITIONS = none it must not count")};
}

// Rotary scores hang on the distance of two tokens alone.
std::optional<Finding> shift_invariance(const Config& step, const Subject& subject) {
  constexpr double kRounding = 1e-9;
  constexpr std::int64_t kShift = 1000;
  if (step.gpt.positions != Positions::kRotary) return {};
  const auto parameters = random_parameters(subject.parameters(step), 24).to(at::kCPU, at::kDouble);
  const at::NoGradGuard no_grad;
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 25);
  const double change = relative_difference(subject.logits_from(step, parameters, tokens, kShift),
                                            subject.logits_from(step, parameters, tokens, 0));
  return Finding{change <= kRounding,
                 str(kShift, " positions further on the same tokens have logits that differ by ",
                     scientific(change, 1), " relative")};
}

}  // namespace kablate
