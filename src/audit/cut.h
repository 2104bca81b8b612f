// Smaller configurations with the same switches, so that a gate takes milliseconds at any size of model.
#pragma once

#include <vector>

#include "config/config.h"

namespace kablate {

// The configurations with at most 3 layers, narrower heads and latents, fewer tokens and a shorter context,
// each cut by the same rule; mixing weights, top-k, window and all switches stay. Of several rules the first
// is taken under which all of them are still valid (widths must divide in some modes); the last is not to cut
// widths at all.
std::vector<Config> cut(const std::vector<Config>& configs);

}  // namespace kablate
