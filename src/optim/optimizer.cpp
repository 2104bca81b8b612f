#include "optim/optimizer.h"

#include "optim/adamw.h"
#include "optim/adamw_spam.h"

namespace kablate {

std::unique_ptr<Optimizer> make_optimizer(const OptimConfig& config, NamedParameters parameters,
                                          Communicator& ranks) {
  if (config.kind == OptimizerKind::kAdamW)
    return std::make_unique<AdamW>(config, std::move(parameters), ranks);
  return std::make_unique<AdamWSpam>(config, std::move(parameters), ranks);
}

}  // namespace kablate
