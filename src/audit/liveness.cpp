// A mechanism that is on must act, and every parameter must learn: the published code built its mechanisms
// and never called them.
#include <algorithm>

#include <ATen/ATen.h>

#include "audit/gates.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr double kLeastChange = 1e-3;  // of the logits, relative

struct Mechanism {
  const char* name;
  Config on, off;                   // the step with it and without
  std::vector<std::string> zeroed;  // parameters that are 0 in both
};

// Where both directions of the coupler share a map, one of them alone would keep it alive: each is examined
// apart. A block of its own only enriches. Without the keys of block 0 and the maps above it, only the
// context that block 0 hands to block 1 is left.
void add_directions(const Config& step, std::vector<Mechanism>& found) {
  if (!step.coupler.enabled || step.coupler.tying != Tying::kTiedTranspose || step.gpt.num_layers < 2) return;
  Config on = step;
  on.gate.enabled = on.cross.enabled = false;
  Config off = on;
  off.coupler.enabled = false;
  Mechanism context{"latent reciprocity, MLP to attention", on, off, {}};
  context.zeroed.push_back(std::string("transformer.h.0.attn.") +
                           (step.attention.shared_kv ? "kv_down.weight" : "k_down.weight"));
  for (std::int64_t i = 1; i < step.gpt.num_layers; ++i)
    context.zeroed.push_back(str("transformer.h.", i, ".mlp.coupler.W"));
  on.gpt.num_layers = off.gpt.num_layers = 1;
  found.push_back({"latent reciprocity, attention to MLP", on, off, {}});
  if (step.gpt.context > 1) found.push_back(context);  // of one key, no value changes the weight
}

std::vector<Mechanism> mechanisms(const Config& step) {
  std::vector<Mechanism> found;
  const auto add = [&](bool enabled, const char* name, auto&& switch_off) {
    if (!enabled) return;
    found.push_back({name, step, step, {}});
    switch_off(found.back().off);
  };
  add(step.gate.enabled, "MLP-to-attention gate", [](Config& c) { c.gate.enabled = false; });
  add(step.cross.enabled, "cross-token aggregation", [](Config& c) { c.cross.enabled = false; });
  add(step.coupler.enabled, "latent reciprocity", [](Config& c) { c.coupler.enabled = false; });
  add(step.reciprocal_attention(), "reciprocal attention",
      [](Config& c) { c.attention.reciprocal_alpha = 0; });
  add_directions(step, found);
  return found;
}

ParameterSet in_double(const Config& config, const Subject& subject) {
  return random_parameters(subject.parameters(config), 4).to(at::kCPU, at::kDouble);
}

}  // namespace

std::optional<Finding> liveness(const Config& step, const Subject& subject) {
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 5);
  const auto logits = [&](const Config& config, const std::vector<std::string>& zeroed) {
    const auto parameters = in_double(config, subject);
    for (const auto& [name, tensor] : parameters.by_name())
      if (std::find(zeroed.begin(), zeroed.end(), name) != zeroed.end()) tensor.detach().zero_();
    return subject.logits(config, parameters, tokens, Dropout()).detach();
  };
  Finding finding{true, ""};
  std::vector<std::string> changes;
  for (const auto& [name, on, off, zeroed] : mechanisms(step)) {
    const double change = relative_difference(logits(on, zeroed), logits(off, zeroed));
    const bool live = change >= kLeastChange;
    finding.passed = finding.passed && live;
    changes.push_back(str(name, live ? " changes" : " is DEAD: it changes", " the logits by ",
                          change == 0 ? "exactly 0" : scientific(change, 1), " relative"));
  }
  if (changes.empty()) return {};
  finding.detail = join(changes, "; ");
  if (!finding.passed) finding.detail += str("; at least ", scientific(kLeastChange, 0), " is asked for");
  return finding;
}

std::optional<Finding> dead_parameters(const Config& step, const Subject& subject) {
  if (step.gpt.context < 2) return {};  // a single token attends to itself whatever the scores are
  const auto parameters = in_double(step, subject);
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 6),
               targets = random_tokens(step, 2, step.gpt.context, 7);
  const auto evaluated = run_model(step, parameters, tokens, targets, subject);
  std::vector<std::string> dead;
  for (const auto& [name, gradient] : evaluated.gradients)
    if (!gradient.defined() || !gradient.ne(0).any().item<bool>()) dead.push_back(name);
  if (dead.empty())
    return Finding{true, str("all ", evaluated.gradients.size(), " tensors of parameters get a gradient")};
  return Finding{false, str("without a gradient: ", join(dead, ", "))};
}

}  // namespace kablate
