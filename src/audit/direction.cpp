// Which positions are seen: where attention is bidirectional those after a token are, and padding by none.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/rng.h"
#include "base/text.h"

namespace kablate {
namespace {

// About two thirds of the positions, of every sequence at least one.
Tensor some_kept(std::int64_t B, std::int64_t T) {
  Tensor keep = at::ones({B, T}, at::kBool);
  const auto key = stream_key(1, "audit/keep");
  for (std::int64_t i = 0; i < B * T; ++i)
    if (random_below(key, static_cast<std::uint64_t>(i), 3) == 0) keep.data_ptr<bool>()[i] = false;
  for (std::int64_t b = 0; b < B; ++b) keep[b][b % T] = true;
  return keep;
}

// "" or where what stands at padded positions counts.
std::string reads_padding(const Config& config, const ParameterSet& parameters, bool training,
                          const Subject& subject) {
  const at::AutoGradMode mode(training);
  constexpr std::int64_t kSequences = 2;
  const Dropout dropout = training && config.drops() ? Dropout(config.gpt.dropout, 1, {10, 11}) : Dropout();
  for (const auto T : {config.gpt.context, config.gpt.context / 2 + 1, std::int64_t{2}}) {
    if (T > config.gpt.context) continue;
    const Tensor keep = some_kept(kSequences, T), before = random_tokens(config, kSequences, T, 61);
    const Tensor after = at::where(keep, before, before.add(1).remainder(config.gpt.vocabulary));
    const auto kept = [&](const Tensor& tokens) {
      return subject.kept_logits(config, parameters, tokens, keep, dropout).index({keep});
    };
    if (!at::equal(kept(before), kept(after)))
      return str("with ", T, " tokens in ", training ? "training" : "evaluation",
                 " what stands at padded positions changes the logits of others");
  }
  return "";
}

// "" or which position does not see the sequence's last.
std::string is_blind(const Config& config, const ParameterSet& parameters, const Subject& subject) {
  const at::NoGradGuard no_grad;
  const auto T = config.gpt.context;
  const Tensor before = random_tokens(config, 1, T, 62);
  Tensor after = before.clone();
  after.narrow(1, T - 1, 1).add_(1).remainder_(config.gpt.vocabulary);
  const Tensor a = subject.logits(config, parameters, before, Dropout()),
               b = subject.logits(config, parameters, after, Dropout());
  const Tensor change_T = (a - b).norm(2, {2}).div(a.norm(2, {2}))[0];
  const Tensor blind = change_T.lt(kActs).nonzero();
  return blind.numel() == 0 ? ""
                            : str("position ", blind[0][0].item<std::int64_t>(), " does not see the last");
}

}  // namespace

std::optional<Finding> padding(const Config& step, const Config& whole, const Subject& subject) {
  if (step.gpt.context < 2) return {};
  if (!step.bidirectional() && step.data.dataset != DatasetKind::kLines) return {};
  const auto own = trained_type(step);
  for (const Config* config : {&step, &whole}) {
    const auto drawn = random_parameters(subject.parameters(*config), 63);
    const auto wide = drawn.to(at::kCPU, at::kDouble);
    for (const bool training : {false, true})
      for (const auto& [type, parameters] : {std::pair{at::kDouble, &wide}, std::pair{own, &drawn}}) {
        if (config == &whole && type == at::kDouble) continue;
        if (const auto what = reads_padding(*config, *parameters, training, subject); !what.empty())
          return Finding{false, str("in ", type_name(type), " ", what)};
      }
  }
  return Finding{true, str("what stands at padded positions changes no bit of the logits of others: in ",
                           type_name(at::kDouble), " and ", type_name(own),
                           ", in training and evaluation, up to ", whole.gpt.context, " tokens")};
}

std::optional<Finding> direction(const Config& step, const Subject& subject) {
  if (!step.bidirectional() || step.gpt.context < 2 || !step.gpt.attention) return {};
  const auto wide = random_parameters(subject.parameters(step), 66).to(at::kCPU, at::kDouble);
  if (const auto what = is_blind(step, wide, subject); !what.empty()) return Finding{false, what};
  return Finding{true, "the logits of every position hang on the last token"};
}

}  // namespace kablate
