// Dropout of attention weights by looked-up numbers, drawn again wherever they are wanted: no mask is kept.
// Include after a vector_*.h; internal linkage, as in tile_products.h.
#pragma once

#include "model/kernel/tile_products.h"

namespace {

// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") of the lanes from `first`
// on: places become numbers, word by word. base/rng.h has it from Random123, whose header brings code that
// would run, for this instruction set, when the program starts.
inline void philox(uint32_t (*words)[kBlock], int64_t first, std::uint64_t key) {
  constexpr std::uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  auto key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round, key0 += kWeyl0, key1 += kWeyl1)
    for (int64_t i = first; i < kBlock; ++i) {
      const std::uint64_t a = kMultiplier0 * words[0][i], b = kMultiplier1 * words[2][i];
      words[0][i] = static_cast<uint32_t>(b >> 32) ^ words[1][i] ^ key0;
      words[2][i] = static_cast<uint32_t>(a >> 32) ^ words[3][i] ^ key1;
      words[1][i] = static_cast<uint32_t>(b);
      words[3][i] = static_cast<uint32_t>(a);
    }
}

// Factors [key, query] of m keys from s, a multiple of 4, and the queries from q0 + first to q0 + kBlock;
// four keys of a query are one block of the generator.
inline void make_factors(const AttentionProblem& p, int64_t b, int64_t h, int64_t q0, int64_t first,
                         int64_t s, int64_t m, float* factors) {
  const std::uint64_t sample = p.dropout.samples[b];
  const uint32_t threshold = p.dropout.threshold;
  const float keep = p.dropout.keep;
  const auto row = static_cast<uint32_t>(p.T / 4);
  uint32_t words[4][kBlock];
  for (int64_t i = 0; i < m; i += 4) {
    const auto place = static_cast<uint32_t>((h * p.T + q0) * (p.T / 4) + (s + i) / 4);
    for (int64_t lane = first; lane < kBlock; ++lane) {
      words[0][lane] = place + static_cast<uint32_t>(lane) * row;
      words[1][lane] = 0;
      words[2][lane] = static_cast<uint32_t>(sample);
      words[3][lane] = static_cast<uint32_t>(sample >> 32);
    }
    philox(words, first, p.dropout.key);
    for (int j = 0; j < 4; ++j)
      for (int64_t lane = first; lane < kBlock; ++lane)
        factors[(i + j) * kBlock + lane] = words[j][lane] < threshold ? 0 : keep;
  }
}

}  // namespace
