#include "base/stop_signal.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "support/own_process.h"

namespace kablate {
namespace {

using testing_support::in_own_process;

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
