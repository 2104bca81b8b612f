// The program's own processes: here this test program, started again with one of the tests below that are not
// run otherwise.
#include "runner/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <iterator>

#include "base/file.h"
#include "train/stop_signal.h"

namespace kablate {
namespace {

using testing::HasSubstr;

std::vector<std::string> as(const char* name) {
  return {"--gtest_also_run_disabled_tests", std::string("--gtest_filter=StartedAgain.DISABLED_") + name};
}

TEST(StartedAgain, DISABLED_PrintsItsInput) {
  std::cout << "<" << read_text("/dev/stdin") << ">" << std::flush;
}

TEST(StartedAgain, DISABLED_WaitsForASignal) {
  ::usleep(200'000);  // the libraries of the program take longer to load
  catch_stop_signals();
  EXPECT_TRUE(stop_requested());
}

TEST(ChildProcess, ReadsWhatItIsGiven) {
  std::string input = "CONFIG_A=1\n";
  while (input.size() < 300'000) input += "# a line more than a pipe would hold\n";
  const auto end = ChildProcess(as("PrintsItsInput"), input).wait();
  EXPECT_EQ(end.code, 0);
  EXPECT_THAT(end.output, HasSubstr("<" + input + ">"));
  EXPECT_THAT(ChildProcess(as("PrintsItsInput")).wait().output, HasSubstr("<>"));
}

TEST(ChildProcess, DoesNotLoseASignalThatComesBeforeItCanCatchIt) {
  for (const int number : {SIGTERM, SIGHUP, SIGUSR1}) {
    ChildProcess child(as("WaitsForASignal"));
    child.signal(number);
    const auto end = child.wait();
    EXPECT_EQ(end.code, 0) << "signal " << number << ": " << end.output;
  }
}

TEST(ChildProcess, LeavesThisProcessWithTheSignalsItHad) {
  sigset_t before, after;
  ::pthread_sigmask(SIG_BLOCK, nullptr, &before);
  ChildProcess(as("PrintsItsInput")).wait();
  ::pthread_sigmask(SIG_BLOCK, nullptr, &after);
  for (const int number : {SIGTERM, SIGINT, SIGHUP})
    EXPECT_EQ(::sigismember(&before, number), ::sigismember(&after, number));
}

TEST(ChildProcess, ThatIsKilledSaysBySignal) {
  ChildProcess child(as("WaitsForASignal"));
  child.signal(SIGKILL);
  const auto end = child.wait();
  EXPECT_EQ(end.signal, SIGKILL);
  EXPECT_FALSE(end.code);
}

}  // namespace
}  // namespace kablate
