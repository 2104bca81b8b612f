#include "train/stop_signal.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "base/error.h"

namespace kablate {
namespace {

// The flag stays set: each case in a process of its own. Gives its exit code, or 100 + the signal that ended
// it.
int in_own_process(const std::function<bool()>& body) {
  const auto pid = ::fork();
  if (pid == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

TEST(StopSignals, AreCaught) {
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGXCPU, SIGPWR}) {
    EXPECT_TRUE(is_stop_signal(number));
    EXPECT_EQ(in_own_process([&] {
                ::signal(number, SIG_DFL);  // under nohup a hangup is ignored from the start
                catch_stop_signals();
                const bool before = stop_requested();
                ::raise(number);
                ::raise(number);
                try {
                  throw_if_stop_requested();
                } catch (const Interrupted&) {
                  return !before && stop_requested();
                }
                return false;
              }),
              0)
        << "signal " << number;
  }
  EXPECT_FALSE(is_stop_signal(SIGKILL) || is_stop_signal(SIGSEGV));
}

TEST(StopSignals, ThatWaitedAreCaughtAtOnce) {
  EXPECT_EQ(in_own_process([] {
              const sigset_t set = stop_signals();
              ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
              ::raise(SIGTERM);
              catch_stop_signals();
              return stop_requested();
            }),
            0);
}

TEST(StopSignals, LeaveAHangupIgnoredUnderNohup) {
  EXPECT_EQ(in_own_process([] {
              ::signal(SIGHUP, SIG_IGN);
              catch_stop_signals();
              ::raise(SIGHUP);
              return !stop_requested();
            }),
            0);
}

}  // namespace
}  // namespace kablate
