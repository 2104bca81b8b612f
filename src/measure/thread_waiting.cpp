#include "measure/thread_waiting.h"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <thread>

#include <omp.h>
#include <sys/resource.h>

#include "measure/variables.h"

namespace kablate {
namespace {

constexpr double kLookSeconds = 0.2;

// A second of a core. Alone, 7 to 30 were seen; beside one busy process 200 in large regions, 1,000 in small
// ones, and more once threads sleep. Where cores are shared, a time slice of some milliseconds ends in one.
constexpr double kSharedRate = 50;

double process_cpu_seconds() {
  std::timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

std::int64_t involuntary_switches() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

bool shares_cores(std::int64_t switches, double cpu_seconds) {
  return static_cast<double>(switches) > kSharedRate * cpu_seconds;
}

// Parked threads. libgomp reads how long to look once, when it is loaded; but where it manages more threads
// than the process has cores it looks a hundred times at most (its manual, GOMP_SPINCOUNT). So a second team,
// asleep, switches that on, and its end switches it off.
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

ThreadWaiting::ThreadWaiting(std::int64_t threads, std::int64_t (*switches)())
    : threads_(threads),
      may_choose_(threads > 1 && waits_as_settled(environment_variables())),
      switches_(switches),
      seen_(switches()),
      cpu_seconds_(process_cpu_seconds()) {}

ThreadWaiting::~ThreadWaiting() = default;

void ThreadWaiting::look() {
  if (!may_choose_ || since_look_.seconds() < kLookSeconds) return;
  const auto switches = switches_();
  const double cpu_seconds = process_cpu_seconds();
  const bool shared = shares_cores(switches - seen_, cpu_seconds - cpu_seconds_);
  seen_ = switches, cpu_seconds_ = cpu_seconds;
  since_look_.restart();
  if (shared && crowd_ == nullptr) crowd_ = std::make_unique<Crowd>(threads_);
  if (!shared) crowd_.reset();
}

}  // namespace kablate
