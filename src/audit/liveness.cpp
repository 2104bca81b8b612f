// A mechanism that is on must act, and every parameter must learn: the published code built its mechanisms
// and never called them.
#include <ATen/ATen.h>

#include "audit/gates.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr double kLeastChange = 1e-3;  // of the logits, relative

struct Mechanism {
  const char* name;
  Config off;  // the step without it
};

std::vector<Mechanism> mechanisms(const Config& step) {
  std::vector<Mechanism> found;
  const auto add = [&](bool enabled, const char* name, auto&& switch_off) {
    if (!enabled) return;
    found.push_back({name, step});
    switch_off(found.back().off);
  };
  add(step.gate.enabled, "MLP-to-attention gate", [](Config& c) { c.gate.enabled = false; });
  add(step.cross.enabled, "cross-token aggregation", [](Config& c) { c.cross.enabled = false; });
  add(step.coupler.enabled, "latent reciprocity", [](Config& c) { c.coupler.enabled = false; });
  add(step.reciprocal_attention(), "reciprocal attention",
      [](Config& c) { c.attention.reciprocal_alpha = 0; });
  return found;
}

ParameterSet in_double(const Config& config, const Subject& subject) {
  return random_parameters(subject.parameters(config), 4).to(at::kCPU, at::kDouble);
}

}  // namespace

std::optional<Finding> liveness(const Config& step, const Subject& subject) {
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 5);
  const auto logits = [&](const Config& config) {
    return subject.logits(config, in_double(config, subject), tokens, Dropout()).detach();
  };
  Finding finding{true, ""};
  std::vector<std::string> changes;
  for (const auto& [name, off] : mechanisms(step)) {
    const double change = relative_difference(logits(step), logits(off));
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
