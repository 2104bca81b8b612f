// How the threads of a parallel region wait for one another, chosen while a program runs. Alone on its
// cores, a thread that looks again and again for work goes on at once. Beside another busy process it burns
// the time slice of the very thread that it waits for: there it should sleep soon.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"

namespace kablate {

// How often this process was put off a core for the sake of another. A thread that waits gives its core up
// freely, which is not counted.
std::int64_t involuntary_switches();

// Whether a process that was put off so many times while its threads ran for `cpu_seconds` in all shares its
// cores.
bool shares_cores(std::int64_t switches, double cpu_seconds);

// Watches this process, and has libgomp's threads wait briefly while it shares its cores. No number that is
// computed hangs on it. It leaves the threads alone where the user has said how they wait (variables.h).
class ThreadWaiting {
 public:
  // For regions of `threads` threads; of one, there is nothing to wait for.
  explicit ThreadWaiting(std::int64_t threads, std::int64_t (*switches)() = involuntary_switches);
  ~ThreadWaiting();
  ThreadWaiting(const ThreadWaiting&) = delete;
  ThreadWaiting& operator=(const ThreadWaiting&) = delete;

  // Looks, at most a few times a second. Call where no region runs: between two iterations.
  void look();
  bool briefly() const { return crowd_ != nullptr; }

 private:
  class Crowd;

  std::int64_t threads_;
  bool may_choose_;
  std::int64_t (*switches_)();
  std::int64_t seen_;  // switches until the last look
  double cpu_seconds_;
  Stopwatch since_look_;
  std::unique_ptr<Crowd> crowd_;
};

}  // namespace kablate
