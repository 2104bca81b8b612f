// The program's own processes: here this test program, started again with one of the tests below that are not
// run otherwise.
#include "runner/process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <iostream>
#include <iterator>

#include "base/file.h"
#include "base/stop_signal.h"

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

TEST(StartedAgain, DISABLED_SaysItsGpu) {
  const char* gpu = std::getenv("CUDA_VISIBLE_DEVICES");
  std::cout << "<" << (gpu == nullptr ? "any" : gpu) << ">" << std::flush;
}

TEST(ChildProcess, HasAGpuOfItsOwnWhereThereAreSeveral) {
  const auto before = gpus_of_children();
  gpus_of_children() = GpuPool({"3", "GPU-8932"});
  std::vector<ChildProcess> children;
  for (int i = 0; i < 3; ++i) children.emplace_back(as("SaysItsGpu"));
  EXPECT_THAT(children[0].wait().output, HasSubstr("<3>"));
  EXPECT_THAT(children[1].wait().output, HasSubstr("<GPU-8932>"));
  EXPECT_THAT(ChildProcess(as("SaysItsGpu")).wait().output, HasSubstr("<GPU-8932>"))
      << "the third has the other";
  EXPECT_THAT(children[2].wait().output, HasSubstr("<3>"));
  gpus_of_children() = GpuPool({"0"});
  ::setenv("CUDA_VISIBLE_DEVICES", "5", 1);
  EXPECT_THAT(ChildProcess(as("SaysItsGpu")).wait().output, HasSubstr("<5>")) << "as this process sees it";
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  gpus_of_children() = before;
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
