// What attention asks of a configuration: a part of validate() and unused_symbols() (config/config.h).
#pragma once

#include <string>
#include <vector>

namespace kablate {

struct Config;

// Throws UserError if positions, heads of keys or forms of latent attention don't go together.
void check_attention(const Config& config);

// Why there is nothing to say of how heads find what stood before (`kablate heads`); "" where there is.
std::string why_no_heads(const Config& config);

// With MEASURE_HEADS: throws UserError where there is nothing to say, or two copies of some ids don't fit.
void check_heads_measured(const Config& config);

// Symbols of the attention and of positions that nothing reads.
std::vector<std::string> unused_attention_symbols(const Config& config);

}  // namespace kablate
