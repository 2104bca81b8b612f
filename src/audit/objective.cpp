// What a model is trained for at some positions is the contract's. Of a masked model: the same masks for
// every arm, losses of masked positions alone, and a critic that reads what was filled in and nothing else.
// Of data with labels: their losses alone, whose head reads no other position.
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "audit/seeded_data.h"
#include "base/text.h"
#include "train/contract.h"

namespace kablate {
namespace {

constexpr std::uint64_t kDrawSeed = 3;

struct Critic {
  double loss = 0, accuracy = 0, changed = 0;
};

// A position at a time: a token drawn by its number where it was masked, and what the critic says of the
// result.
Critic contract_critic(const Config& config, const ParameterSet& parameters, const Batch& batch,
                       const Subject& subject) {
  const auto mask_token = audited_mask_token(config);
  const Tensor logits = subject.logits(config, parameters, batch.inputs, Dropout());
  Tensor filled = batch.inputs.clone();
  const auto masked = batch.targets.ne(kIgnoreIndex).nonzero();
  for (std::int64_t i = 0; i < masked.size(0); ++i) {
    const auto b = masked[i][0].item<std::int64_t>(), t = masked[i][1].item<std::int64_t>();
    const Tensor p = logits[b][t].narrow(0, 0, mask_token).to(at::kDouble).softmax(0);
    double left = batch.draws[b][t].item<double>();
    std::int64_t id = 0;
    while (id + 1 < mask_token && left >= p[id].item<double>()) left -= p[id++].item<double>();
    filled[b][t] = id;
  }
  const Tensor said = subject.critic(config, parameters, filled);
  Critic sum;
  for (std::int64_t i = 0; i < masked.size(0); ++i) {
    const auto b = masked[i][0].item<std::int64_t>(), t = masked[i][1].item<std::int64_t>();
    const bool changed = filled[b][t].item<std::int64_t>() != batch.targets[b][t].item<std::int64_t>();
    const double z = said[b][t].item<double>();
    sum.loss += std::log1p(std::exp(changed ? -z : z));
    sum.accuracy += (z > 0) == changed ? 1 : 0, sum.changed += changed ? 1 : 0;
  }
  const auto count = static_cast<double>(masked.size(0));
  return {sum.loss / count, sum.accuracy / count, sum.changed / count};
}

}  // namespace

std::optional<Finding> objective(const Config& step, const Subject& subject) {
  if (!step.objective.masked() && !step.data.is_synthetic()) return {};
  constexpr double kRounding = 1e-9;
  const at::NoGradGuard no_grad;
  const auto parameters = random_parameters(subject.parameters(step), 64).to(at::kCPU, at::kDouble);
  const std::vector<std::int64_t> labelled{7, 11};
  const Batch batch = step.objective.masked()
                          ? Batch{.inputs = random_tokens(step, 2, step.gpt.context, 65), .samples = {7, 11}}
                          : seeded_data(step)->windows(Split::kTrain, labelled, step.gpt.context);
  const Batch keyed = contract_keyed(step, batch, kDrawSeed, audited_mask_token(step));
  const auto masked = keyed.targets.ne(kIgnoreIndex).sum().item<std::int64_t>();
  if (masked == 0) return {};  // by chance, of rates drawn for each sequence
  const auto found = subject.terms(step, parameters, batch, kDrawSeed);
  const auto differs = [&](const char* name, double expected) -> std::string {
    const auto at = found.find(name);
    if (at == found.end()) return str("gives no ", name);
    if (std::abs(at->second - expected) <= kRounding * std::max(1.0, std::abs(expected))) return "";
    return str(name, " is ", at->second, ", by the contract ", expected);
  };
  const auto logits = subject.logits(step, parameters, keyed.inputs, Dropout());
  auto fault = differs("loss", contract_loss(step, keyed, logits, audited_mask_token(step)).mean());
  if (step.objective.critic && fault.empty()) {
    const Critic critic = contract_critic(step, parameters, keyed, subject);
    for (const auto& [name, expected] :
         {std::pair{"critic", critic.loss}, std::pair{"critic_accuracy", critic.accuracy},
          std::pair{"critic_changed", critic.changed}})
      if (fault.empty()) fault = differs(name, expected);
  }
  const std::string what = step.objective.masked() ? "masked" : "labelled";
  if (!fault.empty()) return Finding{false, str("of the ", what, " positions ", fault)};
  return Finding{true, str("the loss of ", masked, " ", what, " positions of ", keyed.targets.numel(),
                           step.objective.critic ? ", and what the critic says of them filled in," : "",
                           " is the contract's")};
}

}  // namespace kablate
