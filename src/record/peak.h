// peak.json: how fast a large matrix product is on each machine that has trained for the experiment, measured
// alone, before trials started. What a trial's utilisation (mfu) is against.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "record/layout.h"

namespace kablate {

// Threads and type are a trial's.
struct Peak {
  std::string host, device, dtype;
  std::int64_t threads = 1;
  double flops_per_second = 0;
  std::string measured;  // UTC

  bool is_of(const Peak& other) const {
    return host == other.host && device == other.device && dtype == other.dtype && threads == other.threads;
  }
};

std::vector<Peak> read_peaks(const ExperimentFolder& folder);  // none where the file is missing or damaged
void write_peaks(const ExperimentFolder& folder, const std::vector<Peak>& peaks);  // throws WorkError

}  // namespace kablate
