// What a model was given, in a few digits. Two trials that read the same tokens in the same iterations have
// equal hashes, however they cut the global batch into pieces or share it among ranks.
#pragma once

#include <cstdint>
#include <string>

#include "base/hash.h"
#include "data/batch.h"

namespace kablate {

// The sum modulo 2^64 over the batch's samples of the first 8 bytes (little-endian, as all numbers here) of
// SHA-256(the sample's place, 8 bytes; its T inputs, 4 bytes each; its T targets, 4 bytes each). The first
// sample has the place `first`.
std::uint64_t token_sum(const Batch& batch, std::uint64_t first);

// Chained over iterations: H_0 = 32 bytes of 0, H_i = SHA-256(H_{i-1}, the iteration's token_sum, 8 bytes).
class TokenChain {
 public:
  void add(std::uint64_t sum);
  std::string digits() const;  // the first 16 hex digits of H, as a row has them
  std::string state() const { return hex(last_); }
  void restore(const std::string& state);  // throws WorkError if state() did not give it
  void restart() { last_ = {}; }

 private:
  Digest last_{};
};

}  // namespace kablate
