// A mechanism that is on must act, and every parameter must learn: the published code built its mechanisms
// and never called them.
#include <algorithm>

#include <ATen/ATen.h>

#include "audit/gates.h"
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/mechanism.h"
#include "config/settings.h"
#include "shape/model_spec.h"

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

namespace {

// What a model is, but for how it computes and for limits that no position of it reaches.
ModelSpec seen_of(const Config& config) {
  ModelSpec spec(config);
  spec.compute = {};
  for (auto& layer : spec.layers) {
    layer.compute = {};
    layer.attention_adapter.dropout = layer.mlp_adapter.dropout = 0;
    layer.reciprocal_window = std::min(layer.reciprocal_window, layer.T - 1);
    if (layer.cross) layer.cross->top_k = std::min(layer.cross->top_k, layer.T);
  }
  return spec;
}

bool is_of_a_mechanism(const std::string& symbol) {
  return std::any_of(mechanisms().begin(), mechanisms().end(), [&](const Mechanism& mechanism) {
    const auto& others = mechanism.symbols;
    return symbol == mechanism.switch_symbol || symbol == mechanism.weight_symbol ||
           std::find(others.begin(), others.end(), symbol) != others.end();
  });
}

bool is_read(const std::string& symbol, const Config& config) {
  const auto unused = unused_symbols(config);
  return std::find(unused.begin(), unused.end(), symbol) == unused.end();
}

// The symbols that are no mechanism's in which the step's model is another than the baseline's, each with the
// step that has the baseline's value of it, where that is a configuration that reads it too. Both are cut: of
// widths and depths that the cut makes equal nothing is asked.
std::vector<std::pair<std::string, Config>> reverted(const Config& step, const Config& base) {
  std::vector<std::pair<std::string, Config>> all;
  const auto own = field_values(step), other = field_values(base);
  for (std::size_t i = 0; i < own.size(); ++i) {
    if (own[i].text == other[i].text || is_of_a_mechanism(own[i].symbol)) continue;
    const Config back = with_value_of(step, base, own[i].symbol);
    try {
      validate(back);
    } catch (const UserError&) {
      continue;
    }
    if (!is_read(own[i].symbol, step) || !is_read(own[i].symbol, back)) continue;
    if (back.gpt.context == step.gpt.context && !(seen_of(back) == seen_of(step)))
      all.emplace_back(own[i].symbol, back);
  }
  return all;
}

// Of logits, or of gradients where something acts in the backward pass alone.
bool differ(const Evaluated& a, const Evaluated& b) {
  if (a.logits_BTV.sizes() != b.logits_BTV.sizes() ||
      relative_difference(a.logits_BTV, b.logits_BTV) >= kActs)
    return true;
  return std::any_of(a.gradients.begin(), a.gradients.end(), [&](const auto& named) {
    const auto found = b.gradients.find(named.first);
    if (found == b.gradients.end()) return false;
    if (!named.second.defined() || !found->second.defined())  // frozen in one of them
      return named.second.defined() != found->second.defined();
    if (named.second.sizes() != found->second.sizes()) return true;
    const double size =
        std::max(named.second.norm().template item<double>(), found->second.norm().template item<double>());
    return (named.second - found->second).norm().template item<double>() > kActs * size;
  });
}

}  // namespace

std::optional<Finding> symbols_act(const Config& step, const Config& base, const Subject& subject) {
  if (step.gpt.context < 2) return {};  // a single token attends to itself whatever the scores are
  const auto evaluated = [&](const Config& config) {
    const auto T = step.gpt.context;
    const auto vocabulary = std::min(step.gpt.vocabulary, base.gpt.vocabulary);
    const Tensor tokens = random_tokens(step, 2, T, 51).clamp_max(vocabulary - 1),
                 targets = random_tokens(step, 2, T, 52).clamp_max(vocabulary - 1);
    return run_model(config, in_double(config, subject), tokens, targets, subject);
  };
  const auto changed = reverted(step, base);
  if (changed.empty()) return {};
  const Evaluated own = evaluated(step);
  std::vector<std::string> acting, dead;
  for (const auto& [symbol, back] : changed) (differ(own, evaluated(back)) ? acting : dead).push_back(symbol);
  if (dead.empty())
    return Finding{true, "against the baseline's values the model changes by " + join(acting, ", ")};
  return Finding{false, str("set otherwise than in the baseline, and changes nothing: ", join(dead, ", "))};
}

namespace {

bool has_gradient(const Evaluated& evaluated, const std::string& name) {
  const Tensor& gradient = evaluated.gradients.at(name);
  return gradient.defined() && gradient.ne(0).any().item<bool>();
}

}  // namespace

std::optional<Finding> dead_parameters(const Config& step, const Subject& subject) {
  if (step.gpt.context < 2) return {};  // a single token attends to itself whatever the scores are
  const auto parameters = in_double(step, subject);
  const Tensor tokens = random_tokens(step, 2, step.gpt.context, 6),
               targets = random_tokens(step, 2, step.gpt.context, 7);
  const auto evaluated = run_model(step, parameters, tokens, targets, subject);
  std::vector<std::string> dead;
  for (const auto& spec : parameters.specs()) {
    if (!spec.trained && evaluated.gradients.at(spec.name).defined())
      return Finding{false, spec.name + " is frozen and gets a gradient"};
    if (spec.trained && !has_gradient(evaluated, spec.name)) dead.push_back(spec.name);
  }
  for (std::int64_t by = 1; by < step.mlp.experts && !dead.empty(); ++by) {
    const auto moved = run_model(step, with_moved_routers(parameters, by), tokens, targets, subject);
    std::erase_if(dead, [&](const std::string& name) { return has_gradient(moved, name); });
  }
  const auto frozen = std::count_if(parameters.specs().begin(), parameters.specs().end(),
                                    [](const Parameter& spec) { return !spec.trained; });
  if (dead.empty())
    return Finding{true, str("all ", evaluated.gradients.size() - static_cast<std::size_t>(frozen),
                             " tensors of parameters get a gradient",
                             frozen == 0 ? "" : str(", the ", frozen, " frozen ones none"))};
  return Finding{false, str("without a gradient: ", join(dead, ", "))};
}

}  // namespace kablate
