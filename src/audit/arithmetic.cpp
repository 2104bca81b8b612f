// What the trial computes is the mathematics: every layer and head learns, gradients are derivatives, and the
// trial's type gives the numbers of float64.
#include <algorithm>
#include <cmath>
#include <string_view>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "audit/gates.h"
#include "base/rng.h"
#include "base/text.h"
#include "config/mechanism.h"
#include "measure/machine.h"
#include "model/loss.h"

namespace kablate {
namespace {

// Rows of embeddings whose token does not occur learn nothing; a key's bias moves all scores of a row alike.
bool learns_by_rows(const Parameter& spec) {
  return spec.trained && spec.part != Part::kEmbedding && spec.shape.size() >= 2;
}

Tensor unit_direction(const Parameter& spec, std::uint64_t seed) {
  Tensor direction = at::empty(spec.shape, at::kFloat);
  fill_normal(stream_key(seed, "audit/direction/" + spec.name), direction.data_ptr<float>(),
              direction.numel());
  const Tensor wide = direction.to(at::kDouble);
  return wide / wide.norm();
}

// The root of the mean square of the gradients' norms.
double typical_norm(const std::map<std::string, Tensor>& gradients) {
  double squares = 0;
  for (const auto& [name, gradient] : gradients)
    if (gradient.defined()) squares += gradient.to(at::kDouble).square().sum().item<double>();
  return std::sqrt(squares / static_cast<double>(gradients.size()));
}

// Limits so low that a model of any size goes the ways of a large one: values of the MLP are recomputed in
// two pieces of unequal numbers of sequences, logits made in pieces, of which the last may be the smallest.
Config in_pieces(Config c, const Tensor& tokens_BT) {
  const auto N = tokens_BT.numel();
  c.limits = {.recomputed_rows = N / 2, .logits = 0, .logit_rows = N / 2 - 1};
  return c;
}

struct LossAndGradients {
  double loss = 0;
  std::map<std::string, Tensor> gradients;
};

LossAndGradients trained_loss(const Config& config, const ParameterSet& given, const Tensor& tokens_BT,
                              const Tensor& targets_BT, const Subject& subject) {
  const auto device = given.tensors()[0].device();
  const auto parameters = given.to(device, given.tensors()[0].scalar_type());
  const Tensor loss = subject.loss(config, parameters, tokens_BT.to(device), targets_BT.to(device));
  loss.backward();
  LossAndGradients result{loss.item<double>(), {}};
  for (const auto& [name, tensor] : parameters.by_name()) result.gradients[name] = tensor.grad();
  return result;
}

// "" or what is another number where the work is cut into pieces, by more than `most` relative.
std::string differs_in_pieces(const Config& config, const ParameterSet& parameters, const Tensor& tokens_BT,
                              const Subject& subject, double most) {
  if (tokens_BT.numel() < 4) return "";
  const Tensor targets_BT = tokens_BT.flip(1);
  const auto at_once = trained_loss(config, parameters, tokens_BT, targets_BT, subject),
             pieced = trained_loss(in_pieces(config, tokens_BT), parameters, tokens_BT, targets_BT, subject);
  constexpr double kMostOfLoss = 1e-2;  // a mean of many numbers, whatever the type
  if (!(std::abs(pieced.loss - at_once.loss) <= std::min(most, kMostOfLoss) * std::abs(at_once.loss)))
    return str("the loss is ", pieced.loss, " where it is made in pieces, ", at_once.loss, " at once");
  const double floor = 1e-2 * typical_norm(at_once.gradients);
  for (const auto& [name, gradient] : at_once.gradients) {
    const Tensor& found = pieced.gradients.at(name);
    if (!gradient.defined()) continue;  // dead_parameters names it
    const double gap = found.defined() ? (found - gradient).to(at::kDouble).norm().item<double>() /
                                             std::max(gradient.to(at::kDouble).norm().item<double>(), floor)
                                       : 1;
    if (!(gap <= most))
      return str("the gradient of ", name, " made in pieces is off by ", scientific(gap, 1), " relative");
  }
  return "";
}

struct Gap {
  double size = 0;  // relative
  std::string where;
};

// The largest between gradients. Of a tensor whose gradient all but cancels out, rounding is what is left: a
// bias or a norm's scale sums over all positions, where coarse types leave more of it than of the sum.
Gap largest_gap(const Evaluated& found, const Evaluated& expected, at::ScalarType type) {
  const double typical = typical_norm(expected.gradients);
  Gap largest;
  for (const auto& [name, gradient] : expected.gradients) {
    if (!gradient.defined() || !found.gradients.at(name).defined()) continue;
    const double floor =
        typical * (type != at::kFloat && (gradient.dim() == 1 || is_bias(name)) ? 0.3 : 0.01);
    const double gap = (found.gradients.at(name).to(at::kDouble) - gradient).norm().item<double>() /
                       std::max(gradient.norm().item<double>(), floor);
    if (!(gap <= largest.size)) largest = {gap, name};
  }
  return largest;
}

// float64's with the weights alone rounded to `type`, once.
Evaluated with_rounded_weights(const Config& step, const ParameterSet& wide, at::ScalarType type,
                               const Tensor& tokens_BT, const Tensor& targets_BT, const Subject& subject) {
  const auto rounded = wide.to(at::kCPU, type).to(at::kCPU, at::kDouble);
  return run_model(step, rounded, tokens_BT, targets_BT, subject);
}

// Of the rows of a map, or of several [..., out, in], whether they get a gradient.
Tensor alive_rows(const Tensor& gradient) { return gradient.flatten(0, -2).ne(0).any(1); }

// A unit of relu2 that is below 0 for all tokens learns nothing of them; with its map negated it is above.
constexpr std::string_view kFirstMap = ".c_fc";  // of an MLP, or of one of its experts

bool rests_below_zero(const Config& config, const std::string& name) {
  return config.mlp.activation == Activation::kRelu2 && name.find(kFirstMap) != std::string::npos;
}
ParameterSet with_negated(const ParameterSet& parameters, const std::string& name) {
  const auto negated = parameters.to(at::kCPU, at::kDouble);
  const auto map = name.substr(0, name.find(kFirstMap) + kFirstMap.size());
  for (const auto& [other, tensor] : negated.by_name())
    if (other.starts_with(map)) tensor.detach().neg_();
  return negated;
}

// The rows of a map that get a gradient of some tokens, whichever experts those are sent to.
class AliveRows {
 public:
  AliveRows(const Config& config, const ParameterSet& parameters, const Tensor& tokens, const Tensor& targets,
            const Subject& subject)
      : config_(config), tokens_(tokens), targets_(targets), subject_(subject) {
    moved_.push_back(parameters);
    for (std::int64_t by = 1; by < config.mlp.experts; ++by)
      moved_.push_back(with_moved_routers(parameters, by));
    evaluated_.resize(moved_.size());
  }

  // Undefined where there is no gradient at all.
  Tensor of(const std::string& name) {
    Tensor alive;
    for (std::size_t by = 0; by < moved_.size() && !all(alive); ++by) {
      if (evaluated_[by].gradients.empty()) evaluated_[by] = run(moved_[by]);
      add(evaluated_[by], name, alive);
      if (rests_below_zero(config_, name) && !all(alive))
        add(run(with_negated(moved_[by], name)), name, alive);
    }
    return alive;
  }

 private:
  static bool all(const Tensor& alive) { return alive.defined() && alive.all().item<bool>(); }
  static void add(const Evaluated& evaluated, const std::string& name, Tensor& alive) {
    const Tensor& gradient = evaluated.gradients.at(name);
    if (!gradient.defined()) return;
    alive = alive.defined() ? alive.logical_or(alive_rows(gradient)) : alive_rows(gradient);
  }
  Evaluated run(const ParameterSet& parameters) const {
    return run_model(config_, parameters, tokens_, targets_, subject_);
  }

  const Config& config_;
  Tensor tokens_, targets_;
  const Subject& subject_;
  std::vector<ParameterSet> moved_;
  std::vector<Evaluated> evaluated_;
};

}  // namespace

// At the real depth and number of heads: a part that acts in the first layers or heads alone leaves rows of
// its maps without a gradient.
std::optional<Finding> every_layer(const Config& deep, const Subject& subject) {
  if (deep.gpt.context < 2) return {};
  const auto parameters = random_parameters(subject.parameters(deep), 31).to(at::kCPU, at::kDouble);
  const Tensor tokens = random_tokens(deep, 2, deep.gpt.context, 32),
               targets = random_tokens(deep, 2, deep.gpt.context, 33);
  AliveRows alive_rows_of(deep, parameters, tokens, targets, subject);
  std::size_t rows = 0;
  for (const auto& spec : parameters.specs()) {
    if (!learns_by_rows(spec)) continue;
    const Tensor alive = alive_rows_of.of(spec.name);
    if (!alive.defined()) return Finding{false, spec.name + " gets no gradient"};
    const Tensor dead = alive.logical_not().nonzero();
    rows += static_cast<std::size_t>(alive.numel());
    if (dead.numel() > 0)
      return Finding{false, str(spec.name, ": ", dead.size(0), " of ", alive.numel(),
                                " rows get no gradient, the first is ", dead[0][0].item<std::int64_t>())};
  }
  return Finding{true, str("all ", rows, " rows of the maps of ", deep.gpt.num_layers, " layers with ",
                           deep.gpt.num_heads, " heads get a gradient")};
}

// A directional derivative of every tensor, in float64, against the difference of two losses. Where a
// mechanism selects, a step across a boundary would be seen as a fault; the step is small, and one tensor in
// fifty may.
std::optional<Finding> gradients(const Config& given, const Subject& subject) {
  constexpr double kStep = 1e-6, kGap = 1e-5;
  if (given.gpt.context < 2) return {};
  Config step = given;  // what an option cuts off is meant to be none
  for (const auto* mechanism : mechanisms_on(given))
    if (mechanism->attach != nullptr) mechanism->attach(step);
  const auto parameters = random_parameters(subject.parameters(step), 34).to(at::kCPU, at::kDouble);
  const Tensor tokens = random_tokens(step, 2, std::min<std::int64_t>(step.gpt.context, 24), 35),
               targets = random_tokens(step, 2, tokens.size(1), 36);
  const auto loss = [&] {
    const at::NoGradGuard no_grad;
    return subject.loss(step, parameters, tokens, targets).item<double>();
  };
  const auto evaluated = trained_loss(step, parameters, tokens, targets, subject);
  std::vector<std::string> wrong;
  for (std::size_t i = 0; i < parameters.specs().size(); ++i) {
    const auto& spec = parameters.specs()[i];
    const auto& gradient = evaluated.gradients.at(spec.name);
    if (!gradient.defined()) continue;  // dead_parameters names it
    const Tensor direction = unit_direction(spec, 37);
    Tensor values = parameters.tensors()[i].detach();
    const Tensor kept = values.clone();
    values.add_(direction, kStep);
    const double above = loss();
    values.copy_(kept).sub_(direction, kStep);
    const double below = loss();
    values.copy_(kept);
    const double expected = (gradient * direction).sum().item<double>(),
                 found = (above - below) / (2 * kStep);
    const double size = gradient.norm().item<double>();
    if (!(std::abs(found - expected) <= kGap * size + 1e-8))
      wrong.push_back(str(spec.name, " (", scientific(expected, 3), " for ", scientific(found, 3), ")"));
  }
  const bool selected = selects(step);
  const std::size_t allowed = selected ? 1 + parameters.specs().size() / 50 : 0;
  if (wrong.size() > allowed)
    return Finding{false, "gradients that are no derivatives: " + join(wrong, ", ")};
  constexpr double kPieces = 1e-10;
  const Tensor three = random_tokens(step, 3, tokens.size(1), 41);
  if (const auto what = differs_in_pieces(step, parameters, three, subject, kPieces); !what.empty())
    return Finding{false, "in float64 " + what};
  return Finding{true, str("the gradients of all ", parameters.specs().size(),
                           " tensors are the derivatives of the loss, in float64, at once and in pieces")};
}

// The trial's type, on the trial's device, against float64 on the CPU at the whole context, with the
// mechanisms that select off, and experts of which none is left out: there rounding can decide what is kept.
std::optional<Finding> arithmetic(const Config& whole, const Subject& subject) {
  if (whole.gpt.context < 2) return {};
  Config step = with_every_expert(whole);
  for (const auto* mechanism : mechanisms_on(whole))
    if (mechanism->selects != nullptr && mechanism->selects(whole)) mechanism->switch_off(step);
  const auto type = trained_type(step);
  double most_values = type == at::kFloat ? 1e-5 : 3e-2, most_gradients = type == at::kFloat ? 1e-4 : 0.25;
  const auto device = device_here(step.run.device);
  const auto own = random_parameters(subject.parameters(step), 38).to(device, at::kFloat);
  const auto wide = own.to(at::kCPU, at::kDouble);
  const Tensor tokens = random_tokens(step, 1, step.gpt.context, 39),
               targets = random_tokens(step, 1, step.gpt.context, 40);
  const auto found = run_model(step, own, tokens, targets, subject),
             expected = run_model(step, wide, tokens, targets, subject);
  const double values = relative_difference(found.logits_BTV, expected.logits_BTV);
  const auto [worst, where] = largest_gap(found, expected, type);
  if (type != at::kFloat && (values > most_values || worst > most_gradients)) {
    // A small model may hang on the last bits of its weights. What lies between its maps is rounded as they
    // are, so it is allowed some roundings' worth.
    constexpr double kRoundings = 4;
    const auto rounded = with_rounded_weights(step, wide, type, tokens, targets, subject);
    most_values =
        std::max(most_values, kRoundings * relative_difference(rounded.logits_BTV, expected.logits_BTV));
    most_gradients = std::max(most_gradients, kRoundings * largest_gap(rounded, expected, type).size);
  }
  const Tensor halves = tokens.narrow(1, 0, tokens.size(1) / 2 * 2).view({2, -1});
  if (const auto what = differs_in_pieces(step, own, halves, subject, most_gradients); !what.empty())
    return Finding{false, str("in ", type_name(type), " ", what)};
  return Finding{values <= most_values && worst <= most_gradients,
                 str(type_name(type), " is float64 to ", scientific(values, 1),
                     " relative in the logits and to ", scientific(worst, 1), " in the gradients (", where,
                     "), with ", step.gpt.context, " tokens", device.is_cpu() ? "" : ", on the GPU")};
}

}  // namespace kablate
