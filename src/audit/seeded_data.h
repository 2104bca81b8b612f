// Data for the gates, made from a seed: they need no data set.
#pragma once

#include <memory>

#include "data/stream_dataset.h"

namespace kablate {

struct Config;

// Two streams of the configuration's vocabulary, but for the mask token where there is one (the last), long
// enough for its context, which no window has twice.
// For data that have labels: sequences of random ids with random labels at a few of their positions.
std::shared_ptr<const Dataset> seeded_data(const Config& config);

}  // namespace kablate
