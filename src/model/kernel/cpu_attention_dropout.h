// Dropout of attention weights by looked-up numbers, made again wherever they are wanted: no mask is kept.
// Include after a vector_*.h; internal linkage, as in tile_products.h.
#pragma once

#include <Random123/philox.h>

#include "model/kernel/tile_products.h"

namespace {

// Factors [key, query] of m keys from s, a multiple of 4, and kBlock queries from q0; four keys of a query
// are one block of the generator. The library's C functions have internal linkage, its C++ class has not.
inline void make_factors(const AttentionProblem& p, int64_t b, int64_t h, int64_t q0, int64_t s, int64_t m,
                         float* factors) {
  const auto low = [](std::uint64_t x) { return static_cast<uint32_t>(x); };
  const auto high = [](std::uint64_t x) { return static_cast<uint32_t>(x >> 32); };
  const std::uint64_t sample = p.dropout.samples[b];
  const philox4x32_key_t key{{low(p.dropout.key), high(p.dropout.key)}};
  const uint32_t threshold = p.dropout.threshold;
  const float keep = p.dropout.keep;
  const auto row = static_cast<uint32_t>(p.T / 4);
  for (int64_t i = 0; i < m; i += 4) {
    const uint32_t first = low(static_cast<std::uint64_t>(h * p.T + q0) * row) + low((s + i) / 4);
    float* to = factors + i * kBlock;
    for (uint32_t lane = 0; lane < kBlock; ++lane) {
      const philox4x32_ctr_t place{{first + lane * row, 0, low(sample), high(sample)}};
      const auto numbers = philox4x32_R(10, place, key);
      for (int j = 0; j < 4; ++j) to[j * kBlock + lane] = numbers.v[j] < threshold ? 0 : keep;
    }
  }
}

}  // namespace
