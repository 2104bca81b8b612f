#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace kablate {

void for_each_on_all_cores(std::size_t count, const std::function<void(std::size_t)>& work) {
  constexpr std::size_t kWorthAThread = 64, kMostThreads = 32;
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const auto threads = std::clamp<std::size_t>(count / kWorthAThread, 1, std::min(cores, kMostThreads));
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr fault;
  std::size_t fault_at = count;
  const auto take = [&] {
    for (std::size_t i; (i = next++) < count;) try {
        work(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < fault_at) fault = std::current_exception(), fault_at = i;
      }
  };
  {
    std::vector<std::jthread> helpers;
    for (std::size_t i = 1; i < threads; ++i) helpers.emplace_back(take);
    take();
  }
  if (fault) std::rethrow_exception(fault);
}

}  // namespace kablate
