#include "base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

namespace kablate {
namespace {

TEST(Parallel, DoesEachOnce) {
  for (const std::size_t count : {0u, 1u, 100u, 5000u}) {
    std::vector<std::atomic<int>> done(count);
    for_each_on_all_cores(count, [&](std::size_t i) { ++done[i]; });
    for (const auto& times : done) EXPECT_EQ(times, 1);
  }
}

TEST(Parallel, EndsAllAndThrowsTheFirstFault) {
  std::atomic<int> done = 0;
  try {
    for_each_on_all_cores(1000, [&](std::size_t i) {
      ++done;
      if (i % 300 == 100) throw std::runtime_error(std::to_string(i));
    });
    FAIL();
  } catch (const std::runtime_error& fault) {
    EXPECT_STREQ(fault.what(), "100");
  }
  EXPECT_EQ(done, 1000);
}

}  // namespace
}  // namespace kablate
