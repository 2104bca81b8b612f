// What is 0 in a model's parameters.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "model/parameters.h"

namespace kablate {

// The part of each map's entries that is 0, of the maps that PRUNE may prune or, where they stand still now,
// might have before.
std::map<std::string, double> sparsity_of_maps(const ParameterSet& parameters);

std::int64_t nonzero_entries(const ParameterSet& parameters);  // of all tensors

}  // namespace kablate
