// Options of the data.
#pragma once

#include <cstdint>
#include <string>

namespace kablate {

// From kMqar on: made from a seed.
enum class DatasetKind {
  kShakespeare,
  kText,
  kBin,
  kLines,
  kMqar,
  kInduction,
  kRecall,
  kInContextRecall,
  kNoisyRecall,
  kFuzzyRecall,
  kSelectiveCopy,
  kMemorization,
  kCompression,
  kRepeats
};
enum class TokenizerKind { kCharacter, kGpt2 };  // of a text

// Of sequences that are made from a seed (config/synthetic.h).
struct SyntheticConfig {
  std::int64_t vocabulary = 0;        // ids that they use
  std::int64_t train = 0, test = 0;   // sequences; 0 to train on: never the same twice
  std::int64_t pairs = 0;             // of a key and its value, where a task says how many
  double noise = 0;                   // the share of pairs that are noise instead
  std::int64_t noise_vocabulary = 0;  // ids of noise, of `vocabulary`
  std::int64_t copied = 0;            // tokens to copy
  std::int64_t motif = 0;             // the longest key, and the longest value
};

struct DataConfig {
  DatasetKind dataset = DatasetKind::kShakespeare;
  TokenizerKind tokenizer = TokenizerKind::kCharacter;
  std::string path;
  std::int64_t seed = 0;  // 0 is the trial's seed
  SyntheticConfig synthetic;

  // Made from a seed, with labels at some positions, which alone have a loss.
  bool is_synthetic() const { return dataset >= DatasetKind::kMqar; }
};

}  // namespace kablate
