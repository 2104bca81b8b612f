// Options of what is trained for.
#pragma once

#include <algorithm>
#include <cstdint>

namespace kablate {

enum class ObjectiveKind { kNextToken, kMaskedToken };
enum class MaskSchedule { kFixed, kUniform };

struct ObjectiveConfig {
  ObjectiveKind kind = ObjectiveKind::kNextToken;
  double mask_rate = 0;  // of a sequence's positions, where the schedule is fixed
  MaskSchedule schedule = MaskSchedule::kFixed;
  bool critic = false;       // a head that tells tokens which the model has filled in
  double critic_weight = 0;  // of its loss
  bool masked() const { return kind == ObjectiveKind::kMaskedToken; }
  // Of T positions the share, on average, whose logits training asks for: those that were masked, or all.
  double share_said(std::int64_t T) const {
    if (!masked()) return 1;
    const double one = 1 / static_cast<double>(T);
    return schedule == MaskSchedule::kFixed ? std::max(mask_rate, one) : (1 + one) / 2;
  }
  double most_said(std::int64_t T) const {  // in any batch, but for chance where the rate is fixed
    return masked() && schedule == MaskSchedule::kUniform ? 1 : share_said(T);
  }
  bool operator==(const ObjectiveConfig&) const = default;
};

}  // namespace kablate
