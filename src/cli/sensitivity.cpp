#include "cli/sensitivity.h"

#include <algorithm>

#include "base/text.h"
#include "record/optional_json.h"
#include "report/render.h"
#include "stats/power.h"
#include "stats/verdict.h"

namespace kablate {
namespace {

std::string effects_table(const Sensitivity& sensitivity) {
  TextTable table;
  table.headings = {"seeds", "d", "nats"};
  table.right = {true, true, true};
  for (const auto& effect : sensitivity.effects)
    table.rows.push_back({std::to_string(effect.seeds), effect.d ? fixed(*effect.d, 2) : "none",
                          effect.nats ? fixed(*effect.nats, 4)
                          : effect.d  ? "unknown"
                                      : "none"});
  return aligned(table);
}

// What a row's d and nats are.
std::string noise_text(const Sensitivity& sensitivity, std::size_t width) {
  const std::string text = "d: in standard deviations of the paired difference\n";
  if (sensitivity.noise)
    return text + wrapped(str("nats: with a deviation of ", fixed(sensitivity.noise->difference_sd(), 4),
                              ", that of two trials of different seeds by the noise floor (sd ",
                              fixed(sensitivity.noise->sd, 4), " of ", sensitivity.noise->seeds.size(),
                              " seeds); less where pairing helps"),
                          width);
  return text + wrapped(sensitivity.other_noise ? "nats: noise.json is of another baseline; `make noise` "
                                                  "measures the deviation of this one"
                                                : "nats: `make noise` measures the deviation",
                        width);
}

}  // namespace

Sensitivity sensitivity_of(const PlanRecord& plan, const std::optional<NoiseFloor>& noise,
                           const std::string& arm) {
  Sensitivity result;
  result.other_noise = noise && !arm.empty() && noise->arm != arm;  // "": the baseline's key is not known
  if (noise && noise->arm == arm) result.noise = noise;
  result.planned = std::ssize(plan.seeds);
  result.family = static_cast<std::int64_t>(plan.family());
  if (result.family == 0) return result;
  const auto family = static_cast<std::size_t>(result.family);
  result.to_claim = static_cast<std::int64_t>(pairs_to_claim(family));
  for (const std::int64_t seeds : {result.planned, std::int64_t{8}, std::int64_t{10}}) {
    if (!result.effects.empty() && seeds == result.planned) continue;
    SmallestEffect effect{.seeds = seeds, .d = {}, .nats = {}};
    if (seeds >= 2)
      effect.d = smallest_effect(static_cast<std::size_t>(seeds), kAlpha / static_cast<double>(family));
    if (effect.d && result.noise) effect.nats = *effect.d * result.noise->difference_sd();
    result.effects.push_back(effect);
  }
  return result;
}

std::string sensitivity_text(const Sensitivity& sensitivity, std::size_t width) {
  if (sensitivity.family == 0) return "";
  std::string text = str("smallest effect that seeds can find (", fixed(100 * kUsualPower, 0),
                         " % power, paired t at alpha = ", kAlpha, "/", sensitivity.family, "):\n",
                         effects_table(sensitivity), noise_text(sensitivity, width));
  if (sensitivity.planned < sensitivity.to_claim)
    text += str("screening: ", sensitivity.planned, sensitivity.planned == 1 ? " seed" : " seeds",
                "; claim with ", sensitivity.to_claim, "\n");
  return text;
}

Json to_json(const Sensitivity& sensitivity) {
  Json effects = Json::array();
  for (const auto& effect : sensitivity.effects)
    effects.push_back(
        {{"seeds", effect.seeds}, {"d", value_or_null(effect.d)}, {"nats", value_or_null(effect.nats)}});
  const SmallestEffect none, &planned = sensitivity.effects.empty() ? none : sensitivity.effects.front();
  return {{"family_size", sensitivity.family},
          {"seeds_to_claim", sensitivity.family > 0 ? Json(sensitivity.to_claim) : Json(nullptr)},
          {"smallest_effect_d", value_or_null(planned.d)},
          {"smallest_effect_nats", value_or_null(planned.nats)},
          {"smallest_effects", effects}};
}

}  // namespace kablate
