// The thread of a rank that all of its messages go through: it works off sums and copies in the order in
// which they were asked for, while the rank computes, and hears whether the others are there.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "distributed/collective.h"
#include "distributed/life_signs.h"

namespace kablate {

class Exchange {
 public:
  struct Order {
    std::function<std::unique_ptr<Transport>()> connect;  // called on the thread; what it throws, we throw
    std::function<void()> begin = [] {};                  // on the thread, before anything else
    // On the thread, with what to say. A rank that computes would notice only when it next waits for others,
    // so this should end the process; where it comes back, whatever is waited for throws WorkError.
    std::function<void(const std::string&)> on_lost;
    std::string host;  // of this rank, for messages
    LifeLimits limits = {};
  };
  explicit Exchange(Order order);
  ~Exchange();  // where finish() was not called, the others will count this rank as lost

  std::int64_t rank() const { return rank_; }
  std::int64_t size() const { return size_; }

  // Asks for what `run` does with them, after all that was asked for before; it keeps what it needs alive.
  std::future<void> ask(std::function<void(Collectives&)> run);
  void wait(std::future<void>& pending);  // throws what went wrong

  void finish();  // waits for every other rank to be here too; the last call

 private:
  struct Task {
    std::function<void(Collectives&)> run;
    std::promise<void> done;
  };
  void work(std::promise<void>& connected);
  void work_off(Collectives& collectives, LifeSigns& signs);
  void fail_all(const std::string& why);
  void pause(std::int64_t tries) const;

  Order order_;
  std::int64_t rank_ = 0, size_ = 1;
  std::mutex mutex_;  // of what stands up to the blank line
  std::condition_variable asked_;
  std::deque<Task> tasks_;
  bool finishing_ = false;
  std::string failed_;  // why; "" while all is well

  std::atomic<bool> leaving_ = false;
  std::atomic<int> waiting_ = 0;  // callers in wait()
  std::promise<void> finished_;
  std::thread thread_;
};

}  // namespace kablate
