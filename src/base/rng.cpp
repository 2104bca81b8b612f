#include "base/rng.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <string>

#include <Random123/philox.h>

#include "base/hash.h"

namespace kablate {

std::uint64_t stream_key(std::uint64_t seed, std::string_view name) {
  const auto digest = sha256(std::to_string(seed) + "/" + std::string(name));
  std::uint64_t key = 0;
  for (int i = 0; i < 8; ++i) key = key << 8 | digest[i];
  return key;
}

std::array<std::uint32_t, 4> random_block(std::uint64_t key, std::uint64_t low, std::uint64_t high) {
  using Philox = r123::Philox4x32;
  const auto lo = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
  const auto hi = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
  const Philox::ctr_type counter{{lo(low), hi(low), lo(high), hi(high)}};
  const Philox::key_type round_key{{lo(key), hi(key)}};
  const auto block = Philox()(counter, round_key);
  return {block[0], block[1], block[2], block[3]};
}

std::uint64_t random_bits(std::uint64_t key, std::uint64_t n) {
  const auto block = random_block(key, n);
  return static_cast<std::uint64_t>(block[0]) << 32 | block[1];
}

std::uint64_t random_below(std::uint64_t key, std::uint64_t n, std::uint64_t bound) {
  // 2^64 is no multiple of `bound`: the numbers too many, here the least, are drawn again from further blocks
  // of place n.
  const std::uint64_t excess = (0 - bound) % bound;
  for (std::uint64_t attempt = 0;; ++attempt) {
    const auto block = random_block(key, n, attempt);
    const auto bits = static_cast<std::uint64_t>(block[0]) << 32 | block[1];
    if (bits >= excess) return bits % bound;
  }
}

double random_uniform(std::uint64_t key, std::uint64_t n) {
  return static_cast<double>(random_bits(key, n) >> 11) * 0x1p-53;
}

void fill_normal(std::uint64_t key, float* out, std::int64_t count) {
  for (std::int64_t i = 0; i < count; i += 4) {
    const auto block = random_block(key, static_cast<std::uint64_t>(i) / 4);
    float four[4];
    for (int pair = 0; pair < 2; ++pair) {
      const double u = (block[2 * pair] + 1.0) * 0x1p-32;  // in (0, 1]: the logarithm is finite
      const double angle = 2 * std::numbers::pi * (block[2 * pair + 1] * 0x1p-32);
      const double radius = std::sqrt(-2 * std::log(u));
      four[2 * pair] = static_cast<float>(radius * std::cos(angle));
      four[2 * pair + 1] = static_cast<float>(radius * std::sin(angle));
    }
    std::memcpy(out + i, four,
                sizeof(float) * static_cast<std::size_t>(std::min<std::int64_t>(4, count - i)));
  }
}

void fill_dropout(std::uint64_t key, std::uint64_t sample, double drop, float keep_scale, float* out,
                  std::int64_t count) {
  const auto threshold = static_cast<std::uint64_t>(drop * 0x1p32);
  for (std::int64_t i = 0; i < count; i += 4) {
    const auto block = random_block(key, static_cast<std::uint64_t>(i) / 4, sample);
    for (std::int64_t j = 0; j < std::min<std::int64_t>(4, count - i); ++j)
      out[i + j] = block[j] < threshold ? 0.0f : keep_scale;
  }
}

Permutation::Permutation(std::uint64_t key, std::uint64_t size) : key_(key), size_(size), half_bits_(1) {
  while (half_bits_ < 32 && (1ULL << (2 * half_bits_)) < size) ++half_bits_;
}

std::uint64_t Permutation::operator()(std::uint64_t index) const {
  const std::uint64_t mask = (1ULL << half_bits_) - 1;
  do {
    std::uint64_t left = index >> half_bits_, right = index & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t mixed = random_block(key_, right, round)[0] & mask;
      left ^= mixed;
      std::swap(left, right);
    }
    index = left << half_bits_ | right;
  } while (index >= size_);
  return index;
}

}  // namespace kablate
