// A value that a plan gives to a symbol.
#pragma once

#include <string>
#include <vector>

#include "config/settings.h"

namespace kablate {

// With the line that says so ("plans/ra-mla.yaml:7"). The value is a symbol's, or of MLP_UNSHARE_AT and
// LORA_FREEZE_BASE_AT a share of GPT2_MAX_ITERS ("50%").
struct Delta {
  std::string symbol, value, origin;
};

// The settings with these deltas. Throws UserError as Settings::set.
Settings with_deltas(Settings settings, const std::vector<Delta>& deltas);

// A value in its one spelling: 1e-3 and 0.001 are one rate. That of an unknown symbol stays as it is.
std::string one_spelling(const Delta& delta);

}  // namespace kablate
