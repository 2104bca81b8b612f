// What the mechanisms do while a model learns, for its log.
#pragma once

#include <cstdint>
#include <vector>

#include "base/json.h"
#include "data/dataset.h"
#include "model/gpt.h"

namespace kablate {

// A row of metrics.jsonl for each block in which a mechanism acts (record/FORMAT.md, MECHANISMS), measured on
// the first batch of the validation split's evaluation windows, the same at every iteration and for every
// trial. None for a model without mechanisms.
std::vector<Json> mechanism_rows(const Config& config, const Gpt& model, const Dataset& data,
                                 c10::Device device, std::int64_t iteration);

}  // namespace kablate
