#include "base/stop_signal.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <iterator>
#include <thread>

#include "base/error.h"
#include "base/text.h"

namespace kablate {
namespace {

constexpr int kStopSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPWR};

std::atomic<int> requested{0};  // the signal
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

void on_signal(int number) {
  int none = 0;
  requested.compare_exchange_strong(none, number);
}

}  // namespace

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : kStopSignals) sigaddset(&set, number);
  return set;
}

bool is_stop_signal(int number) {
  return std::find(std::begin(kStopSignals), std::end(kStopSignals), number) != std::end(kStopSignals);
}

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // a write that is under way is finished
  for (const int number : kStopSignals) {
    struct sigaction before {};
    sigaction(number, nullptr, &before);
    if (number == SIGHUP && before.sa_handler == SIG_IGN) continue;
    sigaction(number, &action, nullptr);
  }
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

bool stop_requested() { return requested != 0; }
int first_stop_signal() { return requested; }

bool sleep_unless_stopped(double seconds) {
  using namespace std::chrono;
  const auto end = steady_clock::now() + duration<double>(seconds);
  while (!stop_requested() && steady_clock::now() < end) std::this_thread::sleep_for(milliseconds(50));
  return !stop_requested();
}

void throw_if_stop_requested() {
  if (stop_requested()) throw Interrupted(str("stopped by SIG", sigabbrev_np(first_stop_signal())));
}

}  // namespace kablate
