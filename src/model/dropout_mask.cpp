#include "model/dropout_mask.h"

#include <algorithm>
#include <array>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#ifdef KABLATE_CUDA_LIBTORCH
#include <ATen/cuda/jiterator.h>
#endif

namespace kablate {
namespace {

using at::Tensor;

constexpr std::int64_t kWord = 0xFFFFFFFF;
constexpr std::int64_t kBlocks = 1 << 22;  // at once; 32 MiB of each word

// 32-bit words, each in an int64.
struct DrawnBlock {
  std::array<Tensor, 4> words;
};

Tensor low(const Tensor& x) { return x.bitwise_and(kWord); }
Tensor high(const Tensor& x) { return x.bitwise_right_shift(32).bitwise_and_(kWord); }

// Philox4x32-10 (Salmon et al. 2011, section 3.3). The bits of a product of int64 are those of the unsigned.
DrawnBlock philox(DrawnBlock counter, std::uint64_t key) {
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

// Fills out [B, 4·n] with whether the elements from 4·first on stay.
void fill_by_tensors(const Tensor& out, const Tensor& sample_B1, std::int64_t first, std::uint64_t key,
                     std::int64_t threshold) {
  const std::int64_t n = out.size(1) / 4;
  const Tensor place = at::arange(first, first + n, sample_B1.options()).unsqueeze(0);
  const auto drawn = philox({{low(place), high(place), low(sample_B1), high(sample_B1)}}, key).words;
  const Tensor words = out.unflatten(1, {n, 4});
  for (std::size_t word = 0; word < drawn.size(); ++word)
    words.select(2, static_cast<std::int64_t>(word)).copy_(drawn[word].ge(threshold));
}

#ifdef KABLATE_CUDA_LIBTORCH
// The same as one kernel, which LibTorch compiles when it is first called: NVIDIA's run-time compiler comes
// with a CUDA build. Every element draws its block of four words for itself, for a kernel of elements is what
// LibTorch takes.
constexpr const char* kKernel = R"(
template <typename T> T kept_by_dropout(T element, T sample, int64_t key, int64_t threshold) {
  unsigned long long place = (unsigned long long)element >> 2, number = (unsigned long long)sample;
  unsigned int c[4] = {(unsigned int)place, (unsigned int)(place >> 32), (unsigned int)number,
                       (unsigned int)(number >> 32)};
  unsigned int key0 = (unsigned int)key, key1 = (unsigned int)((unsigned long long)key >> 32);
  for (int round = 0; round < 10; ++round) {
    unsigned long long first = 0xD2511F53ull * c[0], second = 0xCD9E8D57ull * c[2];
    unsigned int c1 = c[1], c3 = c[3];
    c[0] = (unsigned int)(second >> 32) ^ c1 ^ key0;
    c[1] = (unsigned int)second;
    c[2] = (unsigned int)(first >> 32) ^ c3 ^ key1;
    c[3] = (unsigned int)first;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return (T)(c[element & 3] >= (unsigned long long)threshold);
}
)";

void fill_by_kernel(const Tensor& out, const Tensor& sample_B1, std::int64_t first, std::uint64_t key,
                    std::int64_t threshold) {
  const Tensor element = at::arange(4 * first, 4 * first + out.size(1), sample_B1.options()).unsqueeze(0);
  const auto made =
      at::cuda::CompileAndLaunchKernel(kKernel, "kept_by_dropout", /*num_outputs=*/1, {element, sample_B1},
                                       {static_cast<std::int64_t>(key), threshold}, /*return_by_ref=*/false);
  out.copy_(made[0]);
}
#endif

}  // namespace

Tensor kept_by_dropout(std::uint64_t key, const std::vector<std::uint64_t>& samples, double drop,
                       std::int64_t count, c10::Device device) {
  const at::NoGradGuard no_grad;
  const auto threshold = static_cast<std::int64_t>(drop * 0x1p32);
  const auto B = static_cast<std::int64_t>(samples.size()), blocks = (count + 3) / 4;
  const std::vector<std::int64_t> numbers(samples.begin(), samples.end());
  const Tensor samples_B1 = at::tensor(numbers, at::kLong).to(device).unsqueeze(1);
  const Tensor kept = at::empty({B, 4 * blocks}, at::TensorOptions().dtype(at::kBool).device(device));
  auto fill = fill_by_tensors;
#ifdef KABLATE_CUDA_LIBTORCH
  if (device.is_cuda()) fill = fill_by_kernel;
#endif
  const std::int64_t sequences = std::max<std::int64_t>(1, kBlocks / std::max<std::int64_t>(1, blocks));
  for (std::int64_t b = 0; b < B; b += sequences) {
    const Tensor sample = samples_B1.narrow(0, b, std::min(sequences, B - b));
    for (std::int64_t i = 0; i < blocks; i += kBlocks) {
      const auto n = std::min(kBlocks, blocks - i);
      fill(kept.narrow(0, b, sample.size(0)).narrow(1, 4 * i, 4 * n), sample, i, key, threshold);
    }
  }
  return kept.narrow(1, 0, count);
}

}  // namespace kablate
