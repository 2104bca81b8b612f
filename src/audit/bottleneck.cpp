// What an autoencoder says goes through one state: it hangs on all tokens by the last position alone.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

constexpr double kProductRounding =
    1e-10;  // of an expert's products, which may hang on how many rows there are

// By how much the logits of each position change, relative, where `count` tokens from `place` on are others;
// [T].
Tensor changes(const Config& config, const ParameterSet& parameters, std::int64_t place, std::int64_t count,
               const Subject& subject) {
  const Tensor before = random_tokens(config, 1, config.gpt.context, 67);
  Tensor after = before.clone();
  after.narrow(1, place, count).add_(1).remainder_(config.gpt.vocabulary);
  const Tensor a = subject.logits(config, parameters, before, Dropout()),
               b = subject.logits(config, parameters, after, Dropout());
  return (a - b).norm(2, {2}).div(a.norm(2, {2}))[0];
}

}  // namespace

std::optional<Finding> bottleneck(const Config& step, const Subject& subject) {
  if (!step.gpt.autoencoder || step.gpt.context < 2) return {};
  const at::NoGradGuard no_grad;
  const auto drawn = [&](const Config& config) {
    return random_parameters(subject.parameters(config), 68).to(at::kCPU, at::kDouble);
  };
  const auto last = step.gpt.context - 1;
  const auto blind = [&](const Config& config, std::int64_t place) -> std::string {
    const Tensor unmoved =
        changes(config, drawn(config), place, 1, subject).ge(kActs).logical_not().nonzero();
    if (unmoved.numel() == 0) return "";
    return str("what is said of position ", unmoved[0][0].item<std::int64_t>(), " does not hang on token ",
               place);
  };
  // Without attention nothing of one token reaches another's state. Rotations are of attention alone.
  Config alone = without_mechanisms(step);
  alone.gpt.attention = false, alone.attention.latent = false;
  if (alone.gpt.positions == Positions::kRotary) alone.gpt.positions = Positions::kNone;
  const Tensor moved =
      changes(alone, drawn(alone), 0, last, subject).le(kProductRounding).logical_not().nonzero();
  if (moved.numel() != 0)
    return Finding{false, str("without attention what is said of position ", moved[0][0].item<std::int64_t>(),
                              " hangs on tokens before the last: it reads more than the last state")};
  auto what = blind(alone, last);
  if (what.empty() && step.gpt.attention) what = blind(step, 0);
  if (!what.empty()) return Finding{false, what};
  return Finding{true, str("all of ", last + 1, " positions are said from the last one's state alone",
                           step.gpt.attention ? ", which knows the first token" : "")};
}

}  // namespace kablate
