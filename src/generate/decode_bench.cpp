#include "generate/decode_bench.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <ATen/ATen.h>

#include "base/clock.h"

namespace kablate {

DecodeBench::DecodeBench(const Gpt& model, std::int64_t batch, c10::Device device, std::int64_t most_weights)
    : decoder_(model),
      batch_(batch),
      vocabulary_(model.spec().V),
      filled_at_once_(static_cast<std::int64_t>(
          std::sqrt(static_cast<double>(most_weights / (batch * model.spec().layers.front().H))))),
      device_(device) {}

Tensor DecodeBench::tokens(std::int64_t count) const {
  const Tensor first_B1 = at::arange(decoder_.length(), decoder_.length() + batch_, at::kLong).unsqueeze(1);
  return (first_B1 + at::arange(count, at::kLong)).remainder(vocabulary_).to(device_);
}

DecodeCost DecodeBench::time(std::int64_t context, const std::function<void()>& between) {
  if (decoder_.length() > context) {
    decoder_.reset();
    filled_seconds_ = 0;
  }
  const Stopwatch filling;
  if (const auto count = std::min(context, filled_at_once_); decoder_.length() == 0 && count > 1) {
    between();
    decoder_.fill(tokens(count));
  }
  while (decoder_.length() < context) {
    between();
    decoder_.step(tokens(1).squeeze(1));
  }
  filled_seconds_ += filling.seconds();
  DecodeCost cost{.context = context, .fill_seconds = filled_seconds_};
  const auto& cache = decoder_.cache();
  cost.cache_bytes = static_cast<double>(batch_) *
                     (cache.bytes_per_token() * static_cast<double>(context) + cache.bytes_fixed());
  std::vector<double> times;
  for (std::int64_t i = 0; i < kSteps; ++i) {
    between();
    const Stopwatch watch;
    decoder_.step(tokens(1).squeeze(1)).select(0, 0).select(0, 0).item<double>();  // waits for a device
    if (i >= kWarmup) times.push_back(watch.milliseconds());
  }
  const auto middle = times.begin() + kTimed / 2;
  std::nth_element(times.begin(), middle, times.end());
  cost.ms_per_token = *middle;
  cost.tokens_per_s = 1e3 * static_cast<double>(batch_) / *middle;
  return cost;
}

}  // namespace kablate
