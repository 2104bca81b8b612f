// How fast a run goes: times of iterations and what follows from them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace kablate {

// Times of iterations in milliseconds, without evaluation and saving.
class IterationTimes {
 public:
  void add(double ms) {
    times_.push_back(ms);
    total_ms_ += ms;
  }
  double total_seconds() const { return total_ms_ / 1e3; }

  // Mean over the last `count`, or over all if there are fewer.
  double recent_ms(std::int64_t count) const {
    const auto n = std::min(static_cast<std::int64_t>(times_.size()), count);
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += times_[times_.size() - 1 - static_cast<std::size_t>(i)];
    return n > 0 ? sum / static_cast<double>(n) : 0;
  }

  // The median of those after the first `kWarmup`; empty if there are none.
  std::optional<double> median_ms() const {
    if (times_.size() <= kWarmup) return {};
    std::vector<double> rest(times_.begin() + kWarmup, times_.end());
    const auto middle = rest.begin() + static_cast<std::ptrdiff_t>(rest.size() / 2);
    std::nth_element(rest.begin(), middle, rest.end());
    if (rest.size() % 2 == 1) return *middle;
    return (*middle + *std::max_element(rest.begin(), middle)) / 2;
  }

 private:
  static constexpr std::size_t kWarmup = 10;  // first iterations fill caches and choose kernels
  std::vector<double> times_;
  double total_ms_ = 0;
};

}  // namespace kablate
