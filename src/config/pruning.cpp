#include "config/pruning.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/enum_names.h"

namespace kablate {
namespace {

// Updates since the last reset, 0 in the update that resets; none before the first.
bool waits(const OptimConfig& optim, std::int64_t update) {
  const bool resets = optim.kind == OptimizerKind::kAdamWSpam && optim.spam_reset && optim.spam_warmup;
  if (!resets || update <= optim.spam_interval) return false;
  return (update - 1) % optim.spam_interval < optim.spam_warmup_steps;
}

// The last update up to this one that does not wait: what was due by then is done. A warm-up is over before
// the next reset (check_optimizer), so the update before a reset never waits.
std::int64_t settled(const OptimConfig& optim, std::int64_t update) {
  return waits(optim, update) ? update - 1 - (update - 1) % optim.spam_interval : update;
}

// The last due update up to this one. REQUIRES: update >= PRUNE_BEGIN.
std::int64_t last_due(const PruneConfig& prune, std::int64_t update) {
  const auto since = std::min(update, prune.end) - prune.begin;
  return prune.begin + since / prune.interval * prune.interval;
}

// "PRUNE = magnitude with PRUNE_END = 5"
std::string with(const PruneConfig& prune, const char* symbol, std::int64_t value) {
  return str(symbol, " = ", value, " with PRUNE = ", enum_name(prune.kind));
}

void check_wait(const Config& c) {
  const auto& optim = c.optim;
  const auto last = c.train.max_iters;
  if (settled(optim, last) >= optim.prune.end) return;
  throw UserError(
      str(with(optim.prune, "PRUNE_END", optim.prune.end), ", SPAM_INTERVAL = ", optim.spam_interval,
          " and SPAM_WARMUP_STEPS = ", optim.spam_warmup_steps,
          ": the last pruning would wait for the end of the warm-up that follows the reset in update ",
          settled(optim, last) + 1, ", which GPT2_MAX_ITERS = ", last,
          " does not reach; allowed: a PRUNE_END of at most ", settled(optim, last),
          ". Or train longer, or set SPAM_WARMUP or SPAM_PERIODIC_RESET to n"));
}

}  // namespace

bool prunes_after(const OptimConfig& optim, std::int64_t update) {
  const auto& prune = optim.prune;
  if (!prune.on() || update < prune.begin || waits(optim, update)) return false;
  return last_due(prune, update) > settled(optim, update - 1);
}

double sparsity_by(const OptimConfig& optim, std::int64_t update) {
  const auto& prune = optim.prune;
  const auto done = settled(optim, update);
  if (!prune.on() || done < prune.begin) return 0;
  const double progress =
      static_cast<double>(last_due(prune, done) - prune.begin) / static_cast<double>(prune.end - prune.begin);
  return prune.sparsity * (1 - std::pow(1 - progress, 3));
}

std::int64_t pruned_entries(double sparsity, std::int64_t count) {
  return static_cast<std::int64_t>(std::floor(sparsity * static_cast<double>(count)));
}

void check_pruning(const Config& c) {
  const auto& prune = c.optim.prune;
  if (!prune.on()) return;
  if (prune.begin >= prune.end)
    throw UserError(
        str(with(prune, "PRUNE_BEGIN", prune.begin), " and PRUNE_END = ", prune.end,
            ": sparsity grows between them; allowed: a PRUNE_BEGIN below PRUNE_END, which is at most "
            "GPT2_MAX_ITERS = ",
            c.train.max_iters));
  if (prune.end > c.train.max_iters)
    throw UserError(str(with(prune, "PRUNE_END", prune.end), ": there is no such update; allowed: from ",
                        prune.begin + 1, " to GPT2_MAX_ITERS = ", c.train.max_iters));
  const auto span = prune.end - prune.begin;
  if (prune.interval == 0 || span % prune.interval != 0)
    throw UserError(
        str(with(prune, "PRUNE_INTERVAL", prune.interval),
            ": the last pruning is to come after update PRUNE_END; allowed: 1 or more, a divisor of "
            "PRUNE_END - PRUNE_BEGIN = ",
            span));
  check_wait(c);
}

}  // namespace kablate
