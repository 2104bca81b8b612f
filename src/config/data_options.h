// Options of the data.
#pragma once

#include <cstdint>
#include <string>

namespace kablate {

enum class DatasetKind { kShakespeare, kText, kBin, kLines };
enum class TokenizerKind { kCharacter, kGpt2 };  // of a text

struct DataConfig {
  DatasetKind dataset = DatasetKind::kShakespeare;
  TokenizerKind tokenizer = TokenizerKind::kCharacter;
  std::string path;
  std::int64_t seed = 0;  // 0 is the trial's seed
};

}  // namespace kablate
