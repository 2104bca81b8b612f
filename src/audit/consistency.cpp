// A model is a function of its weights and tokens: of nothing that stands beside a sequence in a batch, came
// before it, or says whether gradients are recorded.
#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/text.h"
#include "config/mechanism.h"

namespace kablate {
namespace {

constexpr double kDouble = 1e-11, kFloat = 1e-5, kBFloat16 = 3e-2;  // relative; rounding stays far below

double rounding_of(at::ScalarType type) {
  return type == at::kDouble ? kDouble : type == at::kFloat ? kFloat : kBFloat16;
}

// In float32 a weight at the edge of a selection may fall on its other side, so those models are asked in
// float64 alone.
std::vector<at::ScalarType> types(const Config& step) {
  const bool selected = selects(step);
  return selected ? std::vector{at::kDouble} : std::vector{at::kDouble, trained_type(step)};
}

struct Asked {
  const Config& config;
  const Subject& subject;
  ParameterSet parameters;
  at::ScalarType type;

  Tensor logits(const Tensor& tokens_BT, bool recorded, const Dropout& dropout = {}) const {
    const at::AutoGradMode mode(recorded);
    return subject.logits(config, parameters, tokens_BT, dropout).detach();
  }
  // "" or by how much, where it is more than rounding.
  std::string difference(const Tensor& found, const Tensor& expected) const {
    const double gap = relative_difference(found, expected);
    return gap <= rounding_of(type) ? "" : str(scientific(gap, 1), " relative in ", type_name(type));
  }
};

// With the same random weights for every configuration of one model.
Asked asked(const Config& config, const Subject& subject, at::ScalarType type) {
  const auto drawn = random_parameters(subject.parameters(config), 21);
  return {config, subject, type == at::kDouble ? drawn.to(at::kCPU, at::kDouble) : drawn, type};
}

// What else is in the batch must not count.
std::string mixes(const Asked& model, const Tensor& tokens_BT) {
  for (const bool recorded : {false, true}) {
    const Tensor together = model.logits(tokens_BT, recorded);
    for (std::int64_t b = 0; b < tokens_BT.size(0); ++b)
      if (const auto by = model.difference(together[b], model.logits(tokens_BT.narrow(0, b, 1), recorded)[0]);
          !by.empty())
        return str("a sequence among others has other logits than alone, by ", by);
    Tensor others = tokens_BT.clone();
    others.narrow(0, 1, others.size(0) - 1).add_(1).remainder_(model.config.gpt.vocabulary);
    const Tensor among_others = model.logits(others, recorded)[0];
    // How an expert's products round a row may hang on how many rows stand beside it.
    if (model.config.mlp.selects() ? !model.difference(together[0], among_others).empty()
                                   : !at::equal(together[0], among_others))
      return str("a sequence's logits change with the tokens of another one, in ", type_name(model.type));
  }
  return "";
}

std::string remembers(const Asked& model, const Tensor& tokens_BT) {
  const Tensor other = tokens_BT.add(1).remainder(model.config.gpt.vocabulary);
  for (const bool recorded : {false, true}) {
    const Tensor first = model.logits(tokens_BT, recorded);
    model.logits(other, recorded);
    if (!at::equal(first, model.logits(tokens_BT, recorded)))
      return str("the same tokens have other logits after other tokens, in ", type_name(model.type));
  }
  return "";
}

// Training without dropout is evaluation, and dropout too rare to drop anything changes nothing.
std::string depends_on_mode(const Asked& model, const Tensor& tokens_BT) {
  constexpr double kRare = 1e-12;
  const Tensor evaluated = model.logits(tokens_BT, false);
  if (const auto by = model.difference(model.logits(tokens_BT, true), evaluated); !by.empty())
    return "recording gradients changes the logits by " + by;
  std::vector<std::uint64_t> samples;
  for (std::int64_t b = 0; b < tokens_BT.size(0); ++b) samples.push_back(static_cast<std::uint64_t>(b));
  Config config = model.config;
  config.lora.dropout = std::min(config.lora.dropout, kRare);
  const Asked rare = asked(config, model.subject, model.type);
  if (const auto by = model.difference(rare.logits(tokens_BT, true, Dropout(kRare, 1, samples)), evaluated);
      !by.empty())
    return "a dropout that drops nothing changes the logits by " + by;
  return "";
}

}  // namespace

std::optional<Finding> consistency(const Config& step, const Subject& subject) {
  const Tensor tokens = random_tokens(step, 3, step.gpt.context, 22);
  for (const auto type : types(step)) {
    const Asked model = asked(step, subject, type);
    for (const auto& question : {mixes, remembers, depends_on_mode})
      if (const auto fault = question(model, tokens); !fault.empty()) return Finding{false, fault};
  }
  return Finding{true,
                 "logits depend on weights and tokens alone: not on the batch, earlier calls or gradients"};
}

}  // namespace kablate
