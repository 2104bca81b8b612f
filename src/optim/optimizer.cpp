#include "optim/optimizer.h"

#include "optim/adamw.h"
#include "optim/adamw_spam.h"

namespace kablate {

std::unique_ptr<Optimizer> make_optimizer(const OptimConfig& config, NamedParameters parameters) {
  if (config.kind == OptimizerKind::kAdamW) return std::make_unique<AdamW>(config, std::move(parameters));
  return std::make_unique<AdamWSpam>(config, std::move(parameters));
}

}  // namespace kablate
