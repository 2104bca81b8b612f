#include "measure/thread_waiting.h"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
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

// Threads of this process that put each other off the cores.
class Rush {
 public:
  Rush() {
    for (std::int64_t i = 0; i < 3 * available_cores(); ++i)
      threads_.emplace_back([this] {
        while (!over_) ++turns_;
      });
  }
  ~Rush() {
    over_ = true;
    for (auto& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> over_ = false;
  std::atomic<std::int64_t> turns_ = 0;
  std::vector<std::thread> threads_;
};

bool comes_to(ThreadWaiting& waiting, bool briefly) {
  for (int i = 0; i < 200 && waiting.briefly() != briefly; ++i) {
    std::this_thread::sleep_for(100ms);
    waiting.look();
  }
  return waiting.briefly() == briefly;
}

std::string settled() { return settling_of({}).set.at("GOMP_SPINCOUNT"); }

TEST(ThreadWaiting, IsBriefWhileCoresAreShared) {
  const Setting as_settled("GOMP_SPINCOUNT", settled());
  ThreadWaiting waiting(2);
  EXPECT_FALSE(waiting.briefly());
  for (int round = 0; round < 2; ++round) {
    {
      const Rush rush;
      EXPECT_TRUE(comes_to(waiting, true));
    }
    EXPECT_TRUE(comes_to(waiting, false));
  }
}

TEST(ThreadWaiting, IsLeftAloneWhereTheUserSaysHowOrThereIsOneThread) {
  const Rush rush;
  for (const std::int64_t threads : {1, 2}) {
    const Setting chosen("GOMP_SPINCOUNT", threads == 1 ? settled() : "777");
    ThreadWaiting waiting(threads);
    for (int i = 0; i < 5; ++i) {
      std::this_thread::sleep_for(250ms);
      waiting.look();
      EXPECT_FALSE(waiting.briefly());
    }
  }
}

TEST(ThreadWaiting, CountsSwitchesASecond) {
  EXPECT_FALSE(shares_cores(60, 1));
  EXPECT_TRUE(shares_cores(400, 1));
  EXPECT_TRUE(shares_cores(80, 0.2));
  EXPECT_FALSE(shares_cores(80, 1));
}

}  // namespace
}  // namespace kablate
