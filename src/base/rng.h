// Random numbers that are looked up, not drawn: a stream is named by what it is for, and its n-th number
// depends on the name and n alone (spec, section 4). Nothing that is added elsewhere can shift it.
// Generator: Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), 64-bit keys.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace kablate {

// The key of the stream that `name` has under `seed`.
std::uint64_t stream_key(std::uint64_t seed, std::string_view name);

// The 128 bits at place (`high`, `low`) of a stream.
std::array<std::uint32_t, 4> random_block(std::uint64_t key, std::uint64_t low, std::uint64_t high = 0);

// The n-th number of a stream: 64 uniform bits.
std::uint64_t random_bits(std::uint64_t key, std::uint64_t n);

// Uniform in [0, bound), bound >= 1, without bias.
std::uint64_t random_below(std::uint64_t key, std::uint64_t n, std::uint64_t bound);

// Uniform in [0, 1), 53 bits.
double random_uniform(std::uint64_t key, std::uint64_t n);

// Fills out[0, count) with N(0, 1), element i from place i of the stream (Box and Muller 1958).
void fill_normal(std::uint64_t key, float* out, std::int64_t count);

// out[i] = keep_scale with probability 1 - drop, else 0, for i in [0, count); element i of sample `sample`.
void fill_dropout(std::uint64_t key, std::uint64_t sample, double drop, float keep_scale, float* out,
                  std::int64_t count);

// A bijection of [0, size) that needs no memory: a four-round Feistel network over the next even number of
// bits, walked until it lands inside (Black and Rogaway 2002).
class Permutation {
 public:
  Permutation(std::uint64_t key, std::uint64_t size);   // size >= 1
  std::uint64_t operator()(std::uint64_t index) const;  // index < size

 private:
  std::uint64_t key_, size_;
  int half_bits_;
};

}  // namespace kablate
