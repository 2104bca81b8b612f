// How small a difference from the baseline the seeds of a
// plan can find. `plan` prints it before anything is trained.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "record/noise.h"
#include "record/plan_record.h"

namespace kablate {

// The smallest effect that is found in 80 of 100 cases, by the two-sided paired t test at .05 / family.
struct SmallestEffect {
  std::int64_t seeds = 0;
  std::optional<double> d;     // in standard deviations of the paired difference; empty below 2 seeds
  std::optional<double> nats;  // with the noise floor's sd of a difference; empty without one
};

struct Sensitivity {
  std::int64_t family = 0;                 // planned arms that are neither baseline, control nor rerun
  std::int64_t planned = 0, to_claim = 0;  // seeds
  std::vector<SmallestEffect> effects;     // of the planned seeds first, then of 8 and of 10
  std::optional<NoiseFloor> noise;
  bool other_noise = false;  // there is a noise floor, but not of this baseline
};

// Without an arm to compare there are no effects. `arm` is the baseline's arm_key, "" if it is not known; a
// noise floor of another is not used.
Sensitivity sensitivity_of(const PlanRecord& plan, const std::optional<NoiseFloor>& noise,
                           const std::string& arm);

// Lines for people: the effects, what they rest on, and whether the seeds screen or claim.
std::string sensitivity_text(const Sensitivity& sensitivity, std::size_t width);

// { family_size, seeds_to_claim, smallest_effect_d, smallest_effect_nats: of the planned seeds or null,
//   smallest_effects: [{seeds, d, nats}…] }
Json to_json(const Sensitivity& sensitivity);

}  // namespace kablate
