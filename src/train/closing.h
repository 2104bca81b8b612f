// The last look at a finished trial: its weights, read back from their file, on the windows that the contract
// (spec, section 4) names. Written from the contract, not from the code that evaluates while it trains.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "config/config.h"
#include "data/dataset.h"
#include "record/metrics_row.h"

namespace kablate {

// Whether a loss of float32 or bfloat16 is what float64 finds: to 1e-5 of it, 1e-3 in bfloat16, and 1e-6,
// since a small loss is the difference of float32 numbers that are not.
bool is_same_loss(double said, double found, DType dtype);

// Why what `recorded` read is not what the contract names (another iteration than the last, other windows):
// the first two of closing_fault()'s reasons, which cost little.
std::string windows_fault(const Config& config, const EvaluationRow& recorded, const Dataset& data);

// Why `recorded`, what the trial says of its end, is not what its weights give: another iteration than the
// last, other windows than those of the contract, a file of weights that is not the model's, another
// validation loss (is_same_loss(); without dropout, in the trial's DTYPE), another accuracy where data have
// labels. "" if it is. `data` as the trial was trained on it (as_trained_on()). `between` is called
// before each batch; it may throw to stop.
std::string closing_fault(const Config& config, const std::filesystem::path& weights,
                          const EvaluationRow& recorded, const Dataset& data,
                          const std::function<void()>& between);

}  // namespace kablate
