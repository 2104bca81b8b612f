#include "generate/decode_bench.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

#include "base/clock.h"

namespace kablate {

DecodeBench::DecodeBench(const Gpt& model, std::int64_t batch, c10::Device device)
    : decoder_(model), batch_(batch), vocabulary_(model.spec().V), device_(device) {}

Tensor DecodeBench::tokens() const {
  return at::arange(decoder_.length(), decoder_.length() + batch_, at::kLong)
      .remainder(vocabulary_)
      .to(device_);
}

DecodeCost DecodeBench::time(std::int64_t context, const std::function<void()>& between) {
  if (decoder_.length() > context) {
    decoder_.reset();
    filled_seconds_ = 0;
  }
  const Stopwatch filling;
  while (decoder_.length() < context) {
    between();
    decoder_.step(tokens());
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
    decoder_.step(tokens()).select(0, 0).select(0, 0).item<double>();  // waits for a device
    if (i >= kWarmup) times.push_back(watch.milliseconds());
  }
  const auto middle = times.begin() + kTimed / 2;
  std::nth_element(times.begin(), middle, times.end());
  cost.ms_per_token = *middle;
  cost.tokens_per_s = 1e3 * static_cast<double>(batch_) / *middle;
  return cost;
}

}  // namespace kablate
