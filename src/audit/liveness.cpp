// A mechanism that is on must act, and every parameter must learn: the published code built its mechanisms
// and never called them.
#include <algorithm>

#include <ATen/ATen.h>

#include "audit/gates.h"
#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

constexpr double kLeastChange = 1e-3;  // of the logits, relative

struct Comparison {
  std::string title;
  Config on, off;                   // the step with the mechanism and without
  std::vector<std::string> zeroed;  // parameters that are 0 in both
};

std::vector<Comparison> comparisons(const Config& step) {
  std::vector<Comparison> whole, alone;
  for (const auto* mechanism : mechanisms_on(step)) {
    whole.push_back({mechanism->title, step, without_mechanism(step, *mechanism), {}});
    if (mechanism->paths == nullptr) continue;
    for (const auto& path : mechanism->paths(step))
      alone.push_back({path.title, path.config, without_mechanism(path.config, *mechanism), path.zeroed});
  }
  whole.insert(whole.end(), alone.begin(), alone.end());
  return whole;
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
  for (const auto& [name, on, off, zeroed] : comparisons(step)) {
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
