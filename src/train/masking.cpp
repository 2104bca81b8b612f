#include "train/masking.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "base/rng.h"
#include "base/text.h"

namespace kablate {
namespace {

// Uniform in [0, 1) by sequence and place.
double number(std::uint64_t key, std::uint64_t sequence, std::uint64_t place) {
  const auto block = random_block(key, place, sequence);
  constexpr double kUnit = 1.0 / 9007199254740992.0;  // 2^-53
  const std::uint64_t bits = (std::uint64_t{block[0]} << 32 | block[1]) >> 11;
  return static_cast<double>(bits) * kUnit;
}

}  // namespace

Batch masked(Batch batch, std::uint64_t seed, const Masking& masking) {
  const auto key = stream_key(seed, "mask"), rates = stream_key(seed, "mask/rate"),
             fills = stream_key(seed, "mask/fill");
  const auto B = batch.inputs.size(0), T = batch.inputs.size(1);
  const bool uniform = masking.schedule == MaskSchedule::kUniform;
  batch.inputs = batch.inputs.clone();
  batch.targets = at::full({B, T}, kIgnoreIndex, at::kLong);
  batch.weights = uniform ? at::zeros({B, T}, at::kFloat) : at::Tensor();
  if (masking.fills) batch.draws = at::zeros({B, T}, at::kDouble);
  auto* inputs = batch.inputs.mutable_data_ptr<std::int64_t>();
  auto* targets = batch.targets.mutable_data_ptr<std::int64_t>();
  const at::Tensor keep = batch.keep.defined() ? batch.keep.contiguous() : at::Tensor();
  const auto kept = [&](std::int64_t i) { return !keep.defined() || keep.const_data_ptr<bool>()[i]; };
  for (std::int64_t b = 0; b < B; ++b) {
    const auto sequence = batch.samples[static_cast<std::size_t>(b)];
    std::int64_t count = 0, lowest = -1;
    double least = 2;
    for (std::int64_t i = b * T; i < (b + 1) * T; ++i) {
      if (!kept(i)) continue;
      ++count;
      const double here = number(key, sequence, static_cast<std::uint64_t>(i - b * T));
      if (here < least) least = here, lowest = i;
    }
    if (count == 0) throw UserError(str("sequence ", sequence, " keeps no position: all of it is padding"));
    const double one = 1 / static_cast<double>(count);
    const double rate = uniform ? one + (1 - one) * number(rates, sequence, 0) : masking.rate;
    for (std::int64_t i = b * T; i < (b + 1) * T; ++i) {
      if (!kept(i)) continue;
      const bool hidden = number(key, sequence, static_cast<std::uint64_t>(i - b * T)) < rate;
      if (!hidden && (uniform || i != lowest)) continue;
      targets[i] = inputs[i];
      inputs[i] = masking.token;
      if (masking.fills)
        batch.draws.mutable_data_ptr<double>()[i] =
            number(fills, sequence, static_cast<std::uint64_t>(i - b * T));
      if (uniform) batch.weights.mutable_data_ptr<float>()[i] = static_cast<float>(one / rate);
    }
  }
  return batch;
}

}  // namespace kablate
