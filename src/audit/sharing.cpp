// What is shared must compute and learn as equal maps would, and as nobody else's: a model with maps for
// every layer and head, given the same numbers, has its logits, and gradients that sum to its own. Which
// layers and heads share is written down here once more.
#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "audit/seeded_data.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr const char *kLayers = "transformer.h.", *kMlpMaps = ".mlp.c_", *kRouterName = ".mlp.router.",
                     *kAttention = ".attn.";

std::int64_t layer_of(const std::string& name) {
  const auto first = std::string(kLayers).size();
  return parse_int(name.substr(first, name.find('.', first) - first)).value();
}

// The lowest layer that uses the MLP of `layer`.
std::int64_t lowest_of(const Config& c, std::int64_t layer) {
  const auto key = [&](std::int64_t i) -> std::int64_t {
    if (c.gpt.share_main) return 0;
    const auto k = c.mlp.share_layers;
    return c.mlp.share_pattern == SharePattern::kAdjacent ? i / k : i % (c.gpt.num_layers / k);
  };
  std::int64_t lowest = 0;
  while (key(lowest) != key(layer)) ++lowest;
  return lowest;
}

bool holds(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

// Adapters are each layer's own.
bool is_of_an_mlp(const std::string& name) {
  const bool map = holds(name, kMlpMaps) || holds(name, kRouterName) || holds(name, kExpertNames);
  return name.starts_with(kLayers) && map && !holds(name, ".lora_");
}

// So are the norms of its latents.
bool is_of_an_attention(const std::string& name) {
  return name.starts_with(kLayers) && holds(name, kAttention) && !holds(name, ".lora_") &&
         !holds(name, "norm");
}

// The tensor of the sharing model that this one of the model apart is a copy of.
std::string origin_of(const Config& c, const std::string& name) {
  const bool shared = is_of_an_mlp(name) || (c.gpt.share_main && is_of_an_attention(name));
  if (!shared) return name;
  const auto layer = layer_of(name);
  return str(kLayers, lowest_of(c, layer), name.substr(str(kLayers, layer).size()));
}

// [n, ...] to [n·times, ...], each `times` times in a row, and the sum of such copies.
Tensor copied(const Tensor& x, std::int64_t rows) { return x.repeat_interleave(rows / x.size(0), 0); }
Tensor summed(const Tensor& x, std::int64_t rows) { return x.unflatten(0, {rows, x.size(0) / rows}).sum(1); }

// "" or which tensor stands where none may.
std::string misplaced(const Config& c, const ParameterSet& shared) {
  for (const auto& spec : shared.specs())
    if (origin_of(c, spec.name) != spec.name)
      return str("layer ", layer_of(spec.name), " has ", spec.name, ", but the maps of layer ",
                 lowest_of(c, layer_of(spec.name)));
  return "";
}

double gap(const Tensor& a, const Tensor& b) { return at::equal(a, b) ? 0 : relative_difference(a, b); }

// "" or whose moments are not those that it shared, carried on. Without clipping, m is β1·m + (1 − β1)·g and
// v is β2·v + (1 − β2)·g²: the gradient that a copy's m tells must be the one in its v, and those of all
// copies add up to that of the tensor which is shared still.
std::string parts_with_other_moments(const Config& step, const Subject& subject) {
  constexpr double kGap = 0.05;  // bfloat16's gradients are summed in another order; a lost moment is half
  Config c = step;
  c.optim.kind = OptimizerKind::kAdamW;
  c.optim.grad_clip = 0;
  c.optim.prune.kind = PruneKind::kNone;  // which takes moments away
  Config never = c;
  never.mlp.unshare_at = 0;
  const auto data = seeded_data(c);
  const auto at = c.mlp.unshare_at;
  if (at < 2) return "";  // no update has made any
  const auto before = subject.train(never, 1, data, at - 1), together = subject.train(never, 1, data, at),
             apart = subject.train(c, 1, data, at);
  if (!before.finite || !together.finite || !apart.finite) return "";
  const double beta1 = c.optim.beta1, beta2 = c.optim.beta2;
  std::map<std::string, Tensor> carried;  // what the copies' m add up to, less what their number adds
  for (const auto& spec : subject.parameters(unshared(c))) {
    if (!is_of_an_mlp(spec.name) || is_bias(spec.name)) continue;  // a bias's gradients may cancel out
    const auto origin = origin_of(c, spec.name);
    const auto of = [](const Training& training, const char* moment, const std::string& name) {
      return training.moments.at(moment + name).to(at::kDouble);
    };
    const Tensor shared_m = of(before, "m.", origin), m = of(apart, "m.", spec.name);
    const Tensor gradient = (m - beta1 * shared_m) / (1 - beta1),
                 v = beta2 * of(before, "v.", origin) + (1 - beta2) * gradient.square();
    if (!(gap(of(apart, "v.", spec.name), v) <= kGap))
      return str("the moments of ", spec.name, " do not go on from those of ", origin);
    carried[origin] = carried.contains(origin) ? carried[origin] + m - beta1 * shared_m : m;
  }
  for (const auto& [origin, sum] : carried)
    if (!(gap(sum, together.moments.at("m." + origin)) <= kGap))
      return str("the moments of the layers that shared ", origin, " do not go on from its own");
  return "";
}

// Whether another expert of the layer has parted: one that got no token since goes on as all copies do.
bool parts_elsewhere(const Config& c, const Training& apart, const std::string& name) {
  const auto layer = name.substr(0, name.find(kExpertNames));
  return std::any_of(apart.weights.begin(), apart.weights.end(), [&](const auto& named) {
    return named.first.starts_with(layer + kExpertNames) &&
           !at::equal(named.second, apart.weights.at(origin_of(c, named.first)));
  });
}

// "" or how the trial's loop does not do what MLP_UNSHARE_AT says: train to the bit as the model that shares
// until that update, and every layer's MLP by itself from it on.
std::string unshares_wrongly(const Config& step, const Subject& subject) {
  Config c = step;
  c.train.batch_size = c.train.accumulation = c.train.log_interval = c.train.eval_samples = 1;
  c.optim.learning_rate = std::max(c.optim.learning_rate, 1e-3);  // weights must be able to move in float32
  c.optim.warmup_steps = std::min<std::int64_t>(c.optim.warmup_steps, 10);
  Config never = c;
  never.mlp.unshare_at = 0;
  const auto data = seeded_data(c);
  const auto updates = std::min(c.mlp.unshare_at + 1, c.train.max_iters);
  const auto apart = subject.train(c, 1, data, updates), together = subject.train(never, 1, data, updates);
  if (!apart.finite || !together.finite) return "";
  for (std::int64_t i = 0; i < c.mlp.unshare_at; ++i)
    if (apart.updates.at(static_cast<std::size_t>(i)).loss !=
        together.updates.at(static_cast<std::size_t>(i)).loss)
      return str("before update ", i + 1, " the loss is another than that of the model that shares");
  for (const auto& spec : subject.parameters(unshared(c))) {
    const auto own = apart.weights.find(spec.name);
    if (own == apart.weights.end()) return str("after update ", updates, " there is no ", spec.name);
    const auto origin = origin_of(c, spec.name);
    if (origin != spec.name && at::equal(own->second, apart.weights.at(origin)) &&
        !(holds(spec.name, kExpertNames) && parts_elsewhere(c, apart, spec.name)))
      return str(spec.name, " still moves with ", origin);
  }
  return parts_with_other_moments(c, subject);
}

}  // namespace

std::optional<Finding> sharing(const Config& given, const Subject& subject) {
  constexpr double kValues = 1e-11, kGradients = 1e-9;
  Config step = given;
  step.lora.freeze_base_at = 0;  // what stands still has no gradient to ask for
  const bool heads = step.mlp.per_head && step.mlp.share_heads > 1;
  if ((step.mlp.share_layers == 1 && !heads && !step.gpt.share_main) || step.gpt.context < 2) return {};
  Config apart = step;
  apart.mlp.share_layers = apart.mlp.share_heads = 1;
  apart.mlp.unshare_at = 0;
  apart.gpt.share_main = false;
  const auto own = random_parameters(subject.parameters(step), 53).to(at::kCPU, at::kDouble);
  if (const auto what = misplaced(step, own); !what.empty()) return Finding{false, what};
  const auto owned = own.by_name();
  auto each = ParameterSet(subject.parameters(apart)).to(at::kCPU, at::kDouble);
  for (const auto& [name, tensor] : each.by_name()) {
    const auto found = owned.find(origin_of(step, name));
    if (found == owned.end()) return Finding{false, str("nothing stands for ", name)};
    tensor.detach().copy_(copied(found->second.detach(), tensor.size(0)));
  }
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 54),
               targets = random_tokens(step, 2, step.gpt.context, 55);
  const auto found = run_model(step, own, tokens, targets, subject),
             expected = run_model(apart, each, tokens, targets, subject);
  const double gap = relative_difference(found.logits_BTV, expected.logits_BTV);
  if (!(gap <= kValues))
    return Finding{false, str("the logits are off by ", scientific(gap, 1),
                              " relative from those of equal maps for every layer and head")};
  std::map<std::string, Tensor> sums;
  for (const auto& [name, gradient] : expected.gradients) {
    if (!gradient.defined()) continue;  // dead_parameters names it
    const auto origin = origin_of(step, name);
    const Tensor part = summed(gradient, owned.at(origin).size(0));
    sums[origin] = sums.contains(origin) ? sums[origin] + part : part;
  }
  for (const auto& [name, sum] : sums) {
    const Tensor& gradient = found.gradients.at(name);
    const double off =
        gradient.defined() ? (gradient - sum).norm().item<double>() : sum.norm().item<double>();
    if (!(off <= kGradients * std::max(sum.norm().item<double>(), kGradients)))
      return Finding{false, str("the gradient of ", name, " is not the sum over those who share it")};
  }
  if (step.mlp.unshare_at > 0)
    if (const auto what = unshares_wrongly(step, subject); !what.empty()) return Finding{false, what};
  return Finding{true,
                 "what is shared computes and learns as equal maps for every layer and head that shares it"};
}

}  // namespace kablate
