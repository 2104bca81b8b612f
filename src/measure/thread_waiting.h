// How the threads of a parallel region wait for one another, chosen while a program computes. Alone on its
// cores, a thread that looks again and again for work goes on at once. Beside another busy process it burns
// the time slice of the very thread that it waits for: there it should sleep soon.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"

namespace kablate {

// Whether a process that was put off a core `switches` times within `seconds`, for the sake of another, shares
// its cores. Threads of its own that wait for each other give up their core freely, which is not counted.
bool shares_cores(std::int64_t switches, double seconds);

// Watches this process, and has libgomp's threads wait briefly while it shares its cores. No number that is
// computed hangs on it. It leaves the threads alone where the user has said how they wait (variables.h).
class ThreadWaiting {
 public:
  // For regions of `threads` threads; of one, there is nothing to wait for.
  explicit ThreadWaiting(std::int64_t threads);
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
  std::int64_t switches_;  // until the last look
  Stopwatch since_look_;
  std::unique_ptr<Crowd> crowd_;
};

}  // namespace kablate
