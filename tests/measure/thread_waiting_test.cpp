#include "measure/thread_waiting.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "measure/cores.h"
#include "measure/variables.h"

namespace kablate {
namespace {

using namespace std::chrono_literals;

// A variable of the environment, for as long as the object lives.
class Setting {
 public:
  Setting(const char* name, const std::string& value) : name_(name) { ::setenv(name, value.c_str(), 1); }
  ~Setting() { ::unsetenv(name_); }

 private:
  const char* name_;
};

std::int64_t switches = 0;  // as the process is told
std::int64_t told() { return switches; }

bool briefly_after(ThreadWaiting& waiting, std::int64_t more) {
  std::this_thread::sleep_for(250ms);
  switches += more;
  waiting.look();
  return waiting.briefly();
}

std::string settled() { return settling_of({}).set.at("GOMP_SPINCOUNT"); }

TEST(ThreadWaiting, IsBriefWhileCoresAreShared) {
  const Setting as_settled("GOMP_SPINCOUNT", settled());
  ThreadWaiting waiting(2, told);
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(briefly_after(waiting, 0));
    EXPECT_TRUE(briefly_after(waiting, 100'000));
    EXPECT_TRUE(briefly_after(waiting, 100'000));
  }
}

TEST(ThreadWaiting, IsLeftAloneWhereTheUserSaysHowOrThereIsOneThread) {
  for (const std::int64_t threads : {1, 2}) {
    const Setting chosen("GOMP_SPINCOUNT", threads == 1 ? settled() : "777");
    ThreadWaiting waiting(threads, told);
    EXPECT_FALSE(briefly_after(waiting, 100'000));
  }
}

TEST(ThreadWaiting, IsToldOfThreadsThatArePutOff) {
  const auto before = involuntary_switches();
  std::atomic<bool> over = false;
  std::vector<std::thread> threads;
  for (std::int64_t i = 0; i < 2 * available_cores(); ++i)
    threads.emplace_back([&over] {
      while (!over) continue;
    });
  for (int i = 0; i < 600 && involuntary_switches() == before; ++i) std::this_thread::sleep_for(100ms);
  over = true;
  for (auto& thread : threads) thread.join();
  EXPECT_GT(involuntary_switches(), before);
}

TEST(ThreadWaiting, CountsSwitchesASecond) {
  EXPECT_FALSE(shares_cores(30, 1));
  EXPECT_TRUE(shares_cores(200, 1));
  EXPECT_TRUE(shares_cores(40, 0.2));
  EXPECT_FALSE(shares_cores(40, 1));
}

}  // namespace
}  // namespace kablate
