#include "plan/delta.h"

#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"

namespace kablate {
namespace {

// The percent of a run's updates after which something is to happen; nothing where the value is none.
std::optional<std::int64_t> percent_of_updates(const Delta& delta) {
  const bool counts_updates = delta.symbol == "MLP_UNSHARE_AT" || delta.symbol == "LORA_FREEZE_BASE_AT";
  if (!counts_updates || !delta.value.ends_with('%')) return {};
  const auto percent = parse_int(delta.value.substr(0, delta.value.size() - 1));
  if (!percent || *percent < 0 || *percent > 99)
    throw UserError(str(delta.origin, ": ", delta.symbol, " = \"", delta.value,
                        "\": allowed: an update, or a share of GPT2_MAX_ITERS from 0% to 99%"));
  return percent;
}

}  // namespace

Settings with_deltas(Settings settings, const std::vector<Delta>& deltas) {
  for (const auto& delta : deltas)
    if (!percent_of_updates(delta)) settings.set(delta.symbol, delta.value, delta.origin);
  // Of the step's own number of updates, which another delta may set.
  const auto updates = settings.bind().train.max_iters;
  for (const auto& delta : deltas)
    if (const auto percent = percent_of_updates(delta))
      settings.set(delta.symbol, std::to_string(1 + updates * *percent / 100), delta.origin);
  return settings;
}

std::string one_spelling(const Delta& delta) {
  if (find_symbol(delta.symbol) == nullptr) return delta.value;
  if (percent_of_updates(delta)) return delta.value;
  auto settings = Settings::defaults();
  settings.set(delta.symbol, delta.value, delta.origin);
  for (const auto& field : field_values(settings.bind()))
    if (field.symbol == delta.symbol) return field.text;
  return delta.value;
}

}  // namespace kablate
