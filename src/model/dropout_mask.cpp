#include "model/dropout_mask.h"

#include <algorithm>
#include <array>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace kablate {
namespace {

using at::Tensor;

constexpr std::int64_t kWord = 0xFFFFFFFF;
constexpr std::int64_t kBlocks = 1 << 22;  // at once; 32 MiB of each word

// 32-bit words, each in an int64.
struct Block {
  std::array<Tensor, 4> words;
};

Tensor low(const Tensor& x) { return x.bitwise_and(kWord); }
Tensor high(const Tensor& x) { return x.bitwise_right_shift(32).bitwise_and_(kWord); }

// Philox4x32-10 (Salmon et al. 2011, section 3.3). The bits of a product of int64 are those of the unsigned.
Block philox(Block counter, std::uint64_t key) {
  constexpr int kRounds = 10;
  constexpr std::int64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  auto key0 = static_cast<std::uint32_t>(key), key1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < kRounds; ++round, key0 += kWeyl0, key1 += kWeyl1) {
    const Tensor first = counter.words[0] * kMultiplier0, second = counter.words[2] * kMultiplier1;
    counter.words = {high(second).bitwise_xor(counter.words[1]).bitwise_xor(std::int64_t{key0}), low(second),
                     high(first).bitwise_xor(counter.words[3]).bitwise_xor(std::int64_t{key1}), low(first)};
  }
  return counter;
}

}  // namespace

Tensor kept_by_dropout(std::uint64_t key, const std::vector<std::uint64_t>& samples, double drop,
                       std::int64_t count, c10::Device device) {
  const at::NoGradGuard no_grad;
  const auto threshold = static_cast<std::int64_t>(drop * 0x1p32);
  const auto B = static_cast<std::int64_t>(samples.size()), blocks = (count + 3) / 4;
  const std::vector<std::int64_t> numbers(samples.begin(), samples.end());
  const Tensor samples_B1 = at::tensor(numbers, at::kLong).to(device).unsqueeze(1);
  const Tensor kept = at::empty({B, 4 * blocks}, at::TensorOptions().dtype(at::kBool).device(device));
  const std::int64_t sequences = std::max<std::int64_t>(1, kBlocks / std::max<std::int64_t>(1, blocks));
  for (std::int64_t b = 0; b < B; b += sequences) {
    const Tensor sample = samples_B1.narrow(0, b, std::min(sequences, B - b));
    for (std::int64_t i = 0; i < blocks; i += kBlocks) {
      const auto n = std::min(kBlocks, blocks - i);
      const Tensor place = at::arange(i, i + n, samples_B1.options()).unsqueeze(0);
      const auto drawn = philox({{low(place), high(place), low(sample), high(sample)}}, key).words;
      const Tensor out = kept.narrow(0, b, sample.size(0)).narrow(1, 4 * i, 4 * n).unflatten(1, {n, 4});
      for (std::size_t word = 0; word < drawn.size(); ++word)
        out.select(2, static_cast<std::int64_t>(word)).copy_(drawn[word].ge(threshold));
    }
  }
  return kept.narrow(1, 0, count);
}

}  // namespace kablate
