#include "train/token_hash.h"

#include <bit>
#include <cstring>
#include <vector>

#include "base/error.h"

namespace kablate {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers are hashed as they lie in memory");

std::uint64_t first_bytes(const Digest& digest) {
  std::uint64_t value = 0;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

std::uint64_t token_sum(const Batch& batch, std::uint64_t first) {
  const std::int64_t B = batch.inputs.size(0), T = batch.inputs.size(1);
  std::vector<std::uint32_t> tokens(static_cast<std::size_t>(2 * T));
  std::uint64_t sum = 0;
  for (std::int64_t b = 0; b < B; ++b) {
    const auto* inputs = batch.inputs.const_data_ptr<std::int64_t>() + b * T;
    const auto* targets = batch.targets.const_data_ptr<std::int64_t>() + b * T;
    for (std::int64_t t = 0; t < T; ++t) {
      tokens[static_cast<std::size_t>(t)] = static_cast<std::uint32_t>(inputs[t]);
      tokens[static_cast<std::size_t>(T + t)] = static_cast<std::uint32_t>(targets[t]);
    }
    const std::uint64_t place = first + static_cast<std::uint64_t>(b);
    Sha256 hash;
    hash.add(&place, sizeof place);
    hash.add(tokens.data(), tokens.size() * sizeof tokens[0]);
    sum += first_bytes(hash.finish());
  }
  return sum;
}

void TokenChain::add(std::uint64_t sum) {
  Sha256 hash;
  hash.add(last_.data(), last_.size());
  hash.add(&sum, sizeof sum);
  last_ = hash.finish();
}

std::string TokenChain::digits() const { return hex(last_).substr(0, 16); }

void TokenChain::restore(const std::string& state) {
  Digest digest{};
  bool good = state.size() == 2 * digest.size();
  for (std::size_t i = 0; good && i < digest.size(); ++i) {
    const int high = digit_value(state[2 * i]), low = digit_value(state[2 * i + 1]);
    good = high >= 0 && low >= 0;
    digest[i] = static_cast<std::uint8_t>(16 * high + low);
  }
  if (!good) throw WorkError("the hash of tokens is \"" + state + "\", expected 64 hex digits");
  last_ = digest;
}

}  // namespace kablate
