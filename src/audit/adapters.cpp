// Adapters start as nothing and act from then on; what is to stand still does.
#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "audit/seeded_data.h"
#include "base/text.h"

namespace kablate {
namespace {

// What LORA_FREEZE_BASE_AT freezes, written down once more: embeddings, head, an autoencoder's decoder, and
// the maps of attention and MLP, those of experts among them but not the router's, which no layers would
// share.
bool is_base(const std::string& name) {
  const auto holds = [&](const char* part) { return name.find(part) != std::string::npos; };
  for (const char* first : {"transformer.w", "lm_head", "decoder.fc_"})
    if (name.starts_with(first)) return true;
  if (holds(".lora_") || holds("norm")) return false;
  return holds(".attn.") || holds(".mlp.c_") || holds(".mlp.experts.");
}

// The step's own loop, but short, and with weights that can move in float32.
Config short_steps(Config c) {
  c.train.batch_size = c.train.accumulation = c.train.log_interval = c.train.eval_samples = 1;
  c.optim.learning_rate = std::max(c.optim.learning_rate, 1e-3);
  c.optim.warmup_steps = std::min<std::int64_t>(c.optim.warmup_steps, 10);
  c.mlp.unshare_at = 0;  // names stay as they are
  return c;
}

}  // namespace

std::optional<Finding> adapters(const Config& step, const Subject& subject) {
  if (!step.lora.on()) return {};
  const at::NoGradGuard no_grad;
  Config without = step;
  without.lora.attention = without.lora.mlp = false;
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 61);
  auto start = subject.initial_values(step, 3);
  auto plain = ParameterSet(subject.parameters(without));
  const auto all = start.by_name();
  for (const auto& [name, tensor] : plain.by_name()) tensor.detach().copy_(all.at(name));
  const Tensor own = subject.logits(step, start, tokens, Dropout()),
               other = subject.logits(without, plain, tokens, Dropout());
  if (!at::equal(own, other))
    return Finding{false, str("at the start they change the logits by ",
                              scientific(relative_difference(own, other), 1), " relative")};
  // Each of them by itself: B as A's own, at the weight of one.
  std::int64_t count = 0;
  for (const auto& [name, up] : all) {
    if (!name.ends_with(kAdapterUp)) continue;
    ++count;
    up.detach().fill_(0.1);
    const bool acts = !at::equal(subject.logits(step, start, tokens, Dropout()), own);
    up.detach().zero_();
    if (!acts) return Finding{false, name + " changes no logit"};
  }
  return Finding{
      true, str(count, " adapters change nothing at the start, to the bit, and the logits once trained")};
}

std::optional<Finding> freezing(const Config& step, const Subject& subject) {
  const auto at = step.lora.freeze_base_at;
  if (at == 0 || step.gpt.context < 2) return {};
  const Config c = short_steps(step);
  const auto data = seeded_data(c);
  const auto updates = std::min(at + 1, c.train.max_iters);
  Config never = c;
  never.lora.freeze_base_at = 0;
  const auto after = subject.train(c, 1, data, updates), all = subject.train(never, 1, data, updates);
  if (!after.finite || !all.finite) return {};  // other gates say so
  const auto before = at == 1 ? after.start : subject.train(c, 1, data, at - 1).weights;
  for (std::int64_t i = 0; i < at; ++i)
    if (after.updates.at(static_cast<std::size_t>(i)).loss !=
        all.updates.at(static_cast<std::size_t>(i)).loss)
      return Finding{false,
                     str("before update ", i + 1, " the loss is another than where nothing is frozen")};
  std::int64_t frozen = 0, moving = 0;
  for (const auto& [name, weight] : after.weights) {
    const bool moved = !at::equal(weight, before.at(name));
    if (is_base(name)) {
      ++frozen;
      if (moved) return Finding{false, str(name, " moves after update ", at - 1)};
      if (after.moments.contains("m." + name) || after.moments.contains("v." + name))
        return Finding{false, name + " stands still and has moments"};
    } else {
      moving += moved;
    }
  }
  if (moving == 0) return Finding{false, str("nothing moves from update ", at, " on")};
  return Finding{true, str(frozen, " tensors stand still from update ", at,
                           " on, to the bit, without moments; ", moving, " others move")};
}

}  // namespace kablate
