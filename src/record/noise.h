// noise.json: how much the loss of one arm differs from seed to seed, found by training the baseline on fresh
// seeds. What a difference between arms is measured against.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "record/layout.h"

namespace kablate {

struct NoiseFloor {
  std::string arm;                  // the baseline's key text without what the seed changes, hashed
  std::vector<std::int64_t> seeds;  // fresh: none of the plan's
  std::vector<double> val_losses;   // in the order of the seeds
  double sd = 0;                    // over seeds
  double sd_low = 0, sd_high = 0;   // its 95 % interval (chi-squared)
  std::int64_t comparisons = 0;     // of the baseline with itself, each of `pairs` disjoint pairs of seeds
  std::int64_t pairs = 0, rejected = 0;  // rejected: those with p < .05 in the paired t test
  bool operator==(const NoiseFloor&) const = default;

  // Of the difference of two trials of different seeds: what pairing has to beat.
  double difference_sd() const;
};

Json to_json(const NoiseFloor& noise);
NoiseFloor noise_from_json(const Json& json);  // throws Json::exception where to_json did not write it

// Empty if there is none or it is damaged: `problem`, where given, then says how.
std::optional<NoiseFloor> read_noise(const ExperimentFolder& folder, std::string* problem = nullptr);
void write_noise(const ExperimentFolder& folder, const NoiseFloor& noise);  // throws WorkError

}  // namespace kablate
