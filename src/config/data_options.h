// Options of the data.
#pragma once

#include <cstdint>
#include <string>

namespace kablate {

enum class DatasetKind { kShakespeare, kText, kBin };

struct DataConfig {
  DatasetKind dataset = DatasetKind::kShakespeare;
  std::string path;
  std::int64_t seed = 0;  // 0 is the trial's seed
};

}  // namespace kablate
