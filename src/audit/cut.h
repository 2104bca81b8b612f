// Smaller configurations with the same switches, so that a gate takes milliseconds at any size of model.
#pragma once

#include <vector>

namespace kablate {

struct Config;

enum class Cut {
  kShallow,  // at most 96 tokens and 3 layers, of which one neither begins nor ends the model; 4 where MLPs
             // are shared
  kDeep,     // every layer, at most 24 tokens
  kLong,     // at most 2 layers, the whole context
};

// The configurations with narrower heads and latents, fewer tokens in the vocabulary, and depth and context
// as `kind` says, each cut by the same rule and at the same place; heads, mixing weights, top-k, window and
// all switches stay, and layers whose MLPs differ or are one do so still. Of several rules the first is taken
// under which all of them are still valid (widths must divide in some modes); the last is not to cut widths
// at all.
std::vector<Config> cut(const std::vector<Config>& configs, Cut kind = Cut::kShallow);

}  // namespace kablate
