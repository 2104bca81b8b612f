#include "measure/machine.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <vector>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace kablate {
namespace {

float half_of_the_smallest_normal_number() {
  volatile float smallest = std::numeric_limits<float>::min();
  return smallest / 2;
}

// In a process of its own, since what is set holds for all that runs after it.
TEST(MakeDeterministicDeathTest, LetsEveryThreadTakeSubnormalNumbersForZero) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  if (!at::globalContext().setFlushDenormal(true)) GTEST_SKIP() << "this processor has no such mode";
  at::globalContext().setFlushDenormal(false);
  const auto run = [] {
    constexpr int kThreads = 4;
    at::set_num_threads(kThreads);
    std::vector<float> found(kThreads, half_of_the_smallest_normal_number());
    const auto all = [&](float sought) {
      at::parallel_for(0, kThreads, 1, [&](std::int64_t begin, std::int64_t end) {
        for (; begin < end; ++begin) found[begin] = half_of_the_smallest_normal_number();
      });
      return std::ranges::count(found, sought) == kThreads;
    };
    if (!all(half_of_the_smallest_normal_number())) std::_Exit(1);  // of threads that are there before
    make_deterministic(kThreads);
    std::_Exit(all(0.0F) ? 0 : 2);
  };
  EXPECT_EXIT(run(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace kablate
