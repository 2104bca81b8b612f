// What PRUNE leaves of a model's parameters.
#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/pruning.h"
#include "config/settings.h"
#include "shape/model_shape.h"

namespace kablate {
namespace {

std::int64_t lost_entries(const ParameterTable& table, double sparsity) {
  std::int64_t lost = 0;
  for (const auto& parameter : table)
    if (parameter.prunable()) lost += pruned_entries(sparsity, parameter.count());
  return lost;
}

// Of all maps, at the last update: of what trains until then, and of what has stood still since
// LORA_FREEZE_BASE_AT as much as it had lost by then.
std::int64_t lost_at_the_end(const Config& c) {
  const auto& optim = c.optim;
  const auto last = c.train.max_iters, freezes = c.lora.freeze_base_at;
  const ParameterTable trained = model_parameters(at_update(c, last));
  std::int64_t lost = lost_entries(trained, sparsity_by(optim, last));
  if (freezes <= 1) return lost;  // what stands still has always done so
  const double until = sparsity_by(optim, freezes - 1);
  return lost + lost_entries(model_parameters(at_update(c, freezes - 1)), until) -
         lost_entries(trained, until);
}

}  // namespace

std::int64_t nonzero_parameter_count(const Config& config) {
  return parameter_count(at_update(config, config.train.max_iters)) - lost_at_the_end(config);
}

void check_prunes(const Config& c) {
  const auto& prune = c.optim.prune;
  if (!prune.on() || lost_at_the_end(c) > 0) return;
  const auto freezes = c.lora.freeze_base_at;
  throw UserError(
      str("PRUNE_SPARSITY = ", shortest(prune.sparsity), ", PRUNE_BEGIN = ", prune.begin, " and PRUNE_END = ",
          prune.end, freezes > 0 ? str(" with LORA_FREEZE_BASE_AT = ", freezes) : std::string(),
          ": no map of this model would lose an entry",
          freezes > 0 ? ", since they stand still before; let them be pruned first, or set PRUNE to none"
                      : "; allowed: a sparsity that is at least one entry of some map, or PRUNE = none"));
}

}  // namespace kablate
