#include "train/stop_signal.h"

#include <atomic>

#include <csignal>

#include "base/error.h"

namespace kablate {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may only touch lock-free atomics");

void on_signal(int) { requested = true; }

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;  // a write that is under way is finished
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

bool stop_requested() { return requested; }

void throw_if_stop_requested() {
  if (requested) throw Interrupted("stopped by a signal");
}

}  // namespace kablate
