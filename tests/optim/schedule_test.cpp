#include "optim/schedule.h"

#include <gtest/gtest.h>

namespace kablate {
namespace {

OptimConfig config_of(std::int64_t warmup, bool decay) {
  OptimConfig config;
  config.learning_rate = 6e-4;
  config.min_learning_rate = 6e-5;
  config.warmup_steps = warmup;
  config.decay_learning_rate = decay;
  return config;
}

TEST(LearningRate, WarmsUpThenFallsAlongACosine) {
  const auto config = config_of(9, true);
  EXPECT_DOUBLE_EQ(learning_rate(config, 109, 0), 6e-4 * 1 / 10);
  EXPECT_DOUBLE_EQ(learning_rate(config, 109, 8), 6e-4 * 9 / 10);
  EXPECT_DOUBLE_EQ(learning_rate(config, 109, 9), 6e-4);
  EXPECT_DOUBLE_EQ(learning_rate(config, 109, 59), (6e-4 + 6e-5) / 2);  // half way
  EXPECT_DOUBLE_EQ(learning_rate(config, 109, 34),
                   6e-5 + (2 + std::sqrt(2)) / 4 * (6e-4 - 6e-5));  // a quarter
  EXPECT_DOUBLE_EQ(learning_rate(config, 109, 109), 6e-5);
  EXPECT_DOUBLE_EQ(learning_rate(config, 109, 500), 6e-5);
  for (std::int64_t i = 9; i < 109; ++i)
    EXPECT_LT(learning_rate(config, 109, i + 1), learning_rate(config, 109, i));
}

TEST(LearningRate, StaysAfterTheWarmUpWithoutDecay) {
  const auto config = config_of(9, false);
  EXPECT_DOUBLE_EQ(learning_rate(config, 109, 4), 6e-4 * 5 / 10);
  for (const std::int64_t i : {9, 59, 109, 500}) EXPECT_DOUBLE_EQ(learning_rate(config, 109, i), 6e-4);
}

TEST(LearningRate, StandsTheEdges) {
  EXPECT_DOUBLE_EQ(learning_rate(config_of(0, true), 1, 0), 6e-4);
  // A warm-up as long as the run or longer is never left.
  for (std::int64_t i = 0; i < 10; ++i)
    for (const std::int64_t warmup : {10, 20})
      EXPECT_DOUBLE_EQ(learning_rate(config_of(warmup, true), 10, i),
                       6e-4 * double(i + 1) / double(warmup + 1));
}

}  // namespace
}  // namespace kablate
