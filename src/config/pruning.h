// When PRUNE sets entries of maps to 0, and how many: gradual pruning after Zhu and Gupta 2017 (arXiv
// 1710.01878). Updates are counted from 1.
//
// After the updates i = PRUNE_BEGIN, PRUNE_BEGIN + PRUNE_INTERVAL, … PRUNE_END the sparsity is
//   s(i) = PRUNE_SPARSITY · (1 − (1 − (i − PRUNE_BEGIN) / (PRUNE_END − PRUNE_BEGIN))³),
// 0 at the first of them. AdamWSPAM forgets its moments at resets; what is due in one of the
// SPAM_WARMUP_STEPS updates that follow, the reset's own among them, is done after the first update behind
// them, to the s(i) that was due last.
#pragma once

#include <cstdint>

#include "config/optim_options.h"

namespace kablate {

struct Config;

// Whether entries are set to 0 after this update.
bool prunes_after(const OptimConfig& optim, std::int64_t update);

// The sparsity once this update, and the pruning that may follow it, is made; 0 with PRUNE = none.
double sparsity_by(const OptimConfig& optim, std::int64_t update);

// How many of a map's entries that is: ⌊sparsity · count⌋.
std::int64_t pruned_entries(double sparsity, std::int64_t count);

// Part of validate(). Throws UserError naming the symbols, their values and what is allowed.
void check_pruning(const Config& config);

}  // namespace kablate
