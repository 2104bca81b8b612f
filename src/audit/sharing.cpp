// What is one MLP must compute and learn as equal ones would, and as nobody else's: a model with an MLP for
// every layer and head, given the same numbers, has its logits, and gradients that sum to its own. Which
// layers and heads share is written down here once more.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr const char *kLayers = "transformer.h.", *kMlpMaps = ".mlp.c_";

std::int64_t layer_of(const std::string& name) {
  const auto first = std::string(kLayers).size();
  return parse_int(name.substr(first, name.find('.', first) - first)).value();
}

// The lowest layer that uses the MLP of `layer`.
std::int64_t lowest_of(const Config& c, std::int64_t layer) {
  const auto key = [&](std::int64_t i) {
    const auto k = c.mlp.share_layers;
    return c.mlp.share_pattern == SharePattern::kAdjacent ? i / k : i % (c.gpt.num_layers / k);
  };
  std::int64_t lowest = 0;
  while (key(lowest) != key(layer)) ++lowest;
  return lowest;
}

bool is_of_an_mlp(const std::string& name) {
  return name.starts_with(kLayers) && name.find(kMlpMaps) != std::string::npos;
}

// The tensor of the sharing model that this one of the model apart is a copy of.
std::string origin_of(const Config& c, const std::string& name) {
  if (!is_of_an_mlp(name)) return name;
  return str(kLayers, lowest_of(c, layer_of(name)), name.substr(name.find(kMlpMaps)));
}

// [n, ...] to [n·times, ...], each `times` times in a row, and the sum of such copies.
Tensor copied(const Tensor& x, std::int64_t rows) { return x.repeat_interleave(rows / x.size(0), 0); }
Tensor summed(const Tensor& x, std::int64_t rows) { return x.unflatten(0, {rows, x.size(0) / rows}).sum(1); }

// "" or which tensor stands where none may.
std::string misplaced(const Config& c, const ParameterSet& shared) {
  for (const auto& spec : shared.specs())
    if (origin_of(c, spec.name) != spec.name)
      return str("layer ", layer_of(spec.name), " has ", spec.name, ", but the MLP of layer ",
                 lowest_of(c, layer_of(spec.name)));
  return "";
}

}  // namespace

std::optional<Finding> sharing(const Config& step, const Subject& subject) {
  constexpr double kValues = 1e-11, kGradients = 1e-9;
  const bool heads = step.mlp.per_head && step.mlp.share_heads > 1;
  if ((step.mlp.share_layers == 1 && !heads) || step.gpt.context < 2) return {};
  Config apart = step;
  apart.mlp.share_layers = apart.mlp.share_heads = 1;
  const auto own = random_parameters(subject.parameters(step), 53).to(at::kCPU, at::kDouble);
  if (const auto what = misplaced(step, own); !what.empty()) return Finding{false, what};
  const auto given = own.by_name();
  auto each = ParameterSet(subject.parameters(apart)).to(at::kCPU, at::kDouble);
  for (const auto& [name, tensor] : each.by_name()) {
    const auto found = given.find(origin_of(step, name));
    if (found == given.end()) return Finding{false, str("nothing stands for ", name)};
    tensor.detach().copy_(copied(found->second.detach(), tensor.size(0)));
  }
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 54),
               targets = random_tokens(step, 2, step.gpt.context, 55);
  const auto found = run_model(step, own, tokens, targets, subject),
             expected = run_model(apart, each, tokens, targets, subject);
  const double gap = relative_difference(found.logits_BTV, expected.logits_BTV);
  if (!(gap <= kValues))
    return Finding{false, str("the logits are off by ", scientific(gap, 1),
                              " relative from those of equal MLPs for every layer and head")};
  std::map<std::string, Tensor> sums;
  for (const auto& [name, gradient] : expected.gradients) {
    if (!gradient.defined()) continue;  // dead_parameters names it
    const auto origin = origin_of(step, name);
    const Tensor part = summed(gradient, given.at(origin).size(0));
    sums[origin] = sums.contains(origin) ? sums[origin] + part : part;
  }
  for (const auto& [name, sum] : sums) {
    const Tensor& gradient = found.gradients.at(name);
    const double off =
        gradient.defined() ? (gradient - sum).norm().item<double>() : sum.norm().item<double>();
    if (!(off <= kGradients * std::max(sum.norm().item<double>(), kGradients)))
      return Finding{false, str("the gradient of ", name, " is not the sum over those who share it")};
  }
  return Finding{true, "one MLP computes and learns as equal ones for every layer and head that shares it"};
}

}  // namespace kablate
