#include "record/trial_progress.h"

#include <fstream>

#include <gtest/gtest.h>

#include "record/metrics.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

struct Progress : testing::Test {
  void log(std::int64_t iteration, double ms) {
    std::ofstream(folder.metrics(), std::ios::app)
        << to_json(
               TrainRow{.iteration = iteration, .loss = 3.5, .tokens = "x", .ms = ms, .tokens_per_s = 100})
               .dump()
        << "\n";
  }
  TemporaryFolder root;
  TrialFolder folder{root.path()};
};

TEST_F(Progress, IsUnknownBeforeTheFirstRow) {
  EXPECT_FALSE(read_progress(folder));
  std::ofstream(folder.metrics()) << "no row\n";
  EXPECT_FALSE(read_progress(folder));
}

TEST_F(Progress, IsThatOfTheLastWholeRow) {
  for (int i = 0; i < 2000; ++i) log(i, i < 1990 ? 1 : 5);  // more than is read
  std::ofstream(folder.metrics(), std::ios::app) << "{\"half";
  const auto progress = read_progress(folder);
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->done, 2000);
  EXPECT_EQ(progress->loss, 3.5);
  EXPECT_EQ(progress->ms, 3) << "over the last twenty";
  EXPECT_EQ(progress->tokens_per_s, 100);
}

}  // namespace
}  // namespace kablate
