#include "measure/thread_waiting.h"

#include <algorithm>
#include <atomic>
#include <thread>

#include <omp.h>
#include <sys/resource.h>

#include "measure/variables.h"

namespace kablate {
namespace {

constexpr double kLookSeconds = 0.2;

// Alone, 15 to 60 a second were seen with two threads; beside one busy process 400 of large regions, 2,000 of
// small ones, and 7,000 once threads sleep.
constexpr double kSharedRate = 150;

std::int64_t involuntary_switches() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

}  // namespace

bool shares_cores(std::int64_t switches, double seconds) {
  return static_cast<double>(switches) > kSharedRate * seconds;
}

// Parked threads. libgomp reads how long to look once, when it is loaded; but where it manages more threads than
// the process has cores it looks a hundred times at most (its manual, GOMP_SPINCOUNT). So a second team, asleep,
// switches that on, and its end switches it off.
class ThreadWaiting::Crowd {
 public:
  explicit Crowd(std::int64_t threads) {
    const int parked = std::max(2, omp_get_num_procs() - static_cast<int>(threads) + 2);
    team_ = std::thread([this, parked] {
      std::atomic<int> members = 0;
#pragma omp parallel num_threads(parked)
      ++members;
      there_ = true, there_.notify_one();
      over_.wait(false);
    });
    there_.wait(false);
  }
  ~Crowd() {
    over_ = true, over_.notify_one();
    team_.join();
  }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

 private:
  std::atomic<bool> there_ = false, over_ = false;
  std::thread team_;
};

ThreadWaiting::ThreadWaiting(std::int64_t threads)
    : threads_(threads),
      may_choose_(threads > 1 && waits_as_settled(environment_variables())),
      switches_(involuntary_switches()) {}

ThreadWaiting::~ThreadWaiting() = default;

void ThreadWaiting::look() {
  if (!may_choose_ || since_look_.seconds() < kLookSeconds) return;
  const auto switches = involuntary_switches();
  const bool shared = shares_cores(switches - switches_, since_look_.seconds());
  switches_ = switches;
  since_look_.restart();
  if (shared && crowd_ == nullptr) crowd_ = std::make_unique<Crowd>(threads_);
  if (!shared) crowd_.reset();
}

}  // namespace kablate
