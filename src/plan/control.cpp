#include "plan/control.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "config/binding.h"
#include "config/mechanism.h"
#include "plan/key.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

// Those of the arm that the baseline lacks.
std::vector<const Mechanism*> added_mechanisms(const Settings& arm, const Settings& baseline) {
  auto added = mechanisms_on(arm.bind());
  const Config base = baseline.bind();
  std::erase_if(added, [&](const Mechanism* mechanism) { return mechanism->on(base); });
  return added;
}

// The menu's bound, which the table of bindings knows.
double largest_expansion() {
  double most = 0;
  const auto visit = [&](std::string_view name, auto&, Scope, auto... bounds) {
    if constexpr (sizeof...(bounds) == 1)
      if (name == "MLP_EXPANSION") most = std::max({bounds.most...});
  };
  Config config;
  visit_fields(config, visit);
  return most;
}

Config with_expansion(Config config, double expansion) {
  config.mlp.expansion.values = {expansion};
  return config;
}

bool is_valid(const Config& config) {
  try {
    validate(config);
  } catch (const UserError&) {
    return false;
  }
  return true;
}

// Grows with F, which is why the search can bisect.
class AmountByWidth {
 public:
  AmountByWidth(const Config& baseline, Control kind)
      : baseline_(baseline),
        kind_(kind),
        widest_(static_cast<std::int64_t>(largest_expansion() * static_cast<double>(baseline.gpt.width))) {}

  Config config(std::int64_t F) const {
    return with_expansion(baseline_, static_cast<double>(F) / static_cast<double>(baseline_.gpt.width));
  }
  double operator()(std::int64_t F) const { return matched_amount(kind_, config(F)); }
  std::int64_t widest() const { return widest_; }

  // The least F that reaches `target`, or the widest. Begins
  // with small F: at the widest a count could overflow.
  std::int64_t least_reaching(double target) const {
    std::int64_t below = 0, reaches = 1;
    while (reaches < widest_ && (*this)(reaches) < target)
      below = reaches, reaches = std::min(2 * reaches, widest_);
    while (reaches - below > 1) {
      const auto middle = below + (reaches - below) / 2;
      ((*this)(middle) < target ? below : reaches) = middle;
    }
    return reaches;
  }

  bool valid(std::int64_t F) const { return is_valid(config(F)); }

 private:
  const Config& baseline_;
  Control kind_;
  std::int64_t widest_;
};

// From `F` on in steps of `by`, the first valid width whose amount is near enough; 0 if there is none.
std::int64_t first_valid(const AmountByWidth& amount, std::int64_t F, std::int64_t by, double target) {
  for (; F >= 1 && F <= amount.widest() && within_tolerance(amount(F), target); F += by)
    if (amount.valid(F)) return F;
  return 0;
}

void require_one_expansion(const Config& model) {
  if (model.mlp.expansion.varies())
    throw UserError("MLP_EXPANSION differs by layer, so no one width can be solved for; give its layers one");
}

Config at_depth(const Config& model, std::int64_t layers) {
  Config cut = with_values_of_layers(model, {0});
  cut.gpt.num_layers = layers;
  return cut;
}

// Fewer layers than the model's that make a model: on either side of `target` the ones next to it, the
// nearer first.
std::vector<std::int64_t> depths_near(const Config& model, Control kind, double target) {
  const auto most = model.gpt.num_layers;
  const auto amount = [&](std::int64_t layers) { return matched_amount(kind, at_depth(model, layers)); };
  std::int64_t below = 0, reaches = most;  // the amount grows with the layers
  while (reaches - below > 1) {
    const auto middle = below + (reaches - below) / 2;
    (amount(middle) < target ? below : reaches) = middle;
  }
  std::vector<std::int64_t> depths;
  for (; below >= 1 && !is_valid(at_depth(model, below));) --below;
  for (; reaches < most && !is_valid(at_depth(model, reaches));) ++reaches;
  if (below >= 1) depths.push_back(below);
  if (reaches < most) depths.push_back(reaches);
  if (depths.size() == 2 && std::abs(amount(reaches) - target) < std::abs(amount(below) - target))
    std::swap(depths[0], depths[1]);
  return depths;
}

}  // namespace

double matched_amount(Control kind, const Config& config) {
  return kind == Control::kFlops ? flops_per_iteration(config) : static_cast<double>(parameter_count(config));
}

bool within_tolerance(double amount, double target) {
  return std::abs(amount - target) <= kMatchTolerance * target;
}

Match match_width(const Config& model, Control kind, double target) {
  require_one_expansion(model);
  const AmountByWidth amount(model, kind);
  const auto distance = [&](std::int64_t F) { return std::abs(amount(F) - target); };
  const auto above = amount.least_reaching(target);
  std::int64_t best = 0;
  for (const auto F : {first_valid(amount, above - 1, -1, target), first_valid(amount, above, 1, target)})
    if (F > 0 && (best == 0 || distance(F) < distance(best))) best = F;
  if (best == 0) {
    const auto nearest = above > 1 && distance(above - 1) <= distance(above) ? above - 1 : above;
    throw UserError(str(
        "no width of the MLP gives the ", kind == Control::kWider ? "arm" : "baseline", " ", fixed(target, 0),
        kind == Control::kFlops ? " FLOPs an iteration" : " parameters", ": the nearest is ",
        fixed(amount(nearest), 0), " (", fixed(100 * (amount(nearest) / target - 1), 2),
        " %) at MLP_EXPANSION = ", expansion_text(nearest, model.gpt.width, model.mlp.per_head), ", width ",
        nearest, "; allowed: ", fixed(100 * kMatchTolerance, 1), " %, a width from 1 to ", amount.widest(),
        amount.valid(nearest) ? "" : " that the rest of its configuration accepts"));
  }
  const auto text = expansion_text(best, model.gpt.width, model.mlp.per_head);
  return {.width = best,
          .mlp_expansion = text,
          .target = target,
          .reached = matched_amount(kind, with_expansion(model, *parse_real(text)))};
}

Match match_depth(const Config& model, Control kind, double target) {
  require_one_expansion(model);
  if (model.attention.latent && model.attention.latent_dim.varies())
    throw UserError(
        "RA_MLA_LATENT_DIM differs by layer, so there is no one width for fewer; give its layers one");
  std::string obstacle;
  for (const auto layers : depths_near(model, kind, target)) {
    try {
      Match match = match_width(at_depth(model, layers), kind, target);
      match.layers = layers;
      return match;
    } catch (const UserError& fault) {
      if (obstacle.empty()) obstacle = str("with GPT2_N_LAYER = ", layers, " ", fault.what());
    }
  }
  if (obstacle.empty())
    obstacle = str("GPT2_N_LAYER = ", model.gpt.num_layers, ": no smaller number makes a model");
  throw UserError(obstacle);
}

std::string dead_twin_obstacle(const Settings& arm, const Settings& baseline) {
  Settings plain = arm;
  bool any = false;  // whose parameters stay although its weight is 0
  for (const auto* mechanism : added_mechanisms(arm, baseline)) {
    plain.set(mechanism->on_symbol(), mechanism->by_weight() ? "0" : "n", "dead twin");
    any = any || !mechanism->by_weight();
  }
  if (!any) return "it has no mechanism that the baseline lacks, so there is no weight to set to 0";
  const auto numbers = [](const Settings& settings) { return key_text(settings.bind(), 0, 0, 1, {}); };
  const auto differences = key_differences(numbers(baseline), numbers(plain));
  if (differences.empty()) return "";
  return str("beside its mechanisms it differs from the baseline (", join(differences, ", "),
             "), so it could not equal it");
}

Settings dead_twin(const Settings& arm, const Settings& baseline, const std::string& origin) {
  Settings twin = arm;
  for (const auto* mechanism : added_mechanisms(arm, baseline))
    twin.set(mechanism->weight_symbol, "0", origin);
  return twin;
}

}  // namespace kablate
