// Symbols that hold one value for all layers, or one for each.
#pragma once

#include <string>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"

namespace kablate {

// "MLP_EXPANSION = 4,3", in its one spelling.
std::string value_of(const Config& config, const std::string& symbol);

// Throws UserError where a list is neither one value nor one for each layer.
template <typename Number>
void check_list(const Config& c, const std::string& symbol, const PerLayer<Number>& list) {
  if (list.values.size() == 1 || std::ssize(list.values) == c.gpt.num_layers) return;
  throw UserError(str(value_of(c, symbol), " has ", list.values.size(), " numbers with GPT2_N_LAYER = ",
                      c.gpt.num_layers, ": allowed: one for all layers, or one for each"));
}

}  // namespace kablate
