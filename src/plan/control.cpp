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

std::string expansion_text(std::int64_t width, std::int64_t embedding) {
  const auto F = static_cast<double>(width), E = static_cast<double>(embedding);
  for (int digits = 0; digits < 17; ++digits) {
    const auto text = fixed(F / E, digits);
    // Well clear of a half, so that nothing depends on how it is rounded.
    if (std::abs(*parse_real(text) * E - F) < 0.25) return text;
  }
  return shortest(F / E);
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

  bool valid(std::int64_t F) const {
    try {
      validate(config(F));
    } catch (const UserError&) {
      return false;
    }
    return true;
  }

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

}  // namespace

double matched_amount(Control kind, const Config& config) {
  return kind == Control::kParameters ? static_cast<double>(parameter_count(config))
                                      : flops_per_iteration(config);
}

bool within_tolerance(double amount, double target) {
  return std::abs(amount - target) <= kMatchTolerance * target;
}

Match match_width(const Config& baseline, Control kind, double target) {
  const auto& expansions = baseline.mlp.expansion.values;
  if (std::any_of(expansions.begin(), expansions.end(), [&](double f) { return f != expansions[0]; }))
    throw UserError(
        "the baseline's MLP_EXPANSION differs by layer, so no one width can be solved for; give its layers "
        "one");
  const AmountByWidth amount(baseline, kind);
  const auto distance = [&](std::int64_t F) { return std::abs(amount(F) - target); };
  const auto above = amount.least_reaching(target);
  std::int64_t best = 0;
  for (const auto F : {first_valid(amount, above - 1, -1, target), first_valid(amount, above, 1, target)})
    if (F > 0 && (best == 0 || distance(F) < distance(best))) best = F;
  if (best == 0) {
    const auto nearest = above > 1 && distance(above - 1) <= distance(above) ? above - 1 : above;
    throw UserError(
        str("no width of the MLP gives the baseline its ", fixed(target, 0),
            kind == Control::kParameters ? " parameters" : " FLOPs an iteration", ": the nearest is ",
            fixed(amount(nearest), 0), " (", fixed(100 * (amount(nearest) / target - 1), 2),
            " %) at MLP_EXPANSION = ", expansion_text(nearest, baseline.gpt.width), ", width ", nearest,
            "; allowed: ", fixed(100 * kMatchTolerance, 1), " %, a width from 1 to ", amount.widest(),
            amount.valid(nearest) ? "" : " that the baseline's mechanisms accept"));
  }
  const auto text = expansion_text(best, baseline.gpt.width);
  return {.width = best,
          .mlp_expansion = text,
          .target = target,
          .reached = matched_amount(kind, with_expansion(baseline, *parse_real(text)))};
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
