#include "train/sparsity.h"

#include <ATen/ATen.h>

namespace kablate {

std::map<std::string, double> sparsity_of_maps(const ParameterSet& parameters) {
  std::map<std::string, double> sparsity;
  for (std::size_t i = 0; i < parameters.specs().size(); ++i) {
    Parameter spec = parameters.specs()[i];
    spec.trained = true;
    if (!spec.prunable()) continue;
    const auto nonzero = parameters.tensors()[i].count_nonzero().item<std::int64_t>();
    sparsity[spec.name] = static_cast<double>(spec.count() - nonzero) / static_cast<double>(spec.count());
  }
  return sparsity;
}

std::int64_t nonzero_entries(const ParameterSet& parameters) {
  std::int64_t count = 0;
  for (const auto& tensor : parameters.tensors()) count += tensor.count_nonzero().item<std::int64_t>();
  return count;
}

}  // namespace kablate
