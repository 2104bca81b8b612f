// What the mechanisms do while a model learns, for its log.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"
#include "model/gpt.h"
#include "record/metrics_row.h"

namespace kablate {

// A row for each block in which a mechanism acts, a width is learned or experts are chosen, measured on the
// first batch of the validation split's evaluation windows, the same at every iteration and for every trial.
// None for a model without any of them.
std::vector<MechanismRow> mechanism_rows(const Config& config, const Gpt& model, const Dataset& data,
                                         c10::Device device, std::int64_t iteration);

}  // namespace kablate
