#include <gtest/gtest.h>

#include "record/noise.h"

namespace kablate {
namespace {

TEST(NoiseArm, IsTheSameForEverySeedAndNothingElse) {
  const std::string one = "kablate trial 1\nDATA_SEED = 1\nGPT2_N_LAYER = 3\nstep = 0\nseed = 1\ndata = ab\n";
  const std::string two = "kablate trial 1\nDATA_SEED = 2\nGPT2_N_LAYER = 3\nstep = 0\nseed = 2\ndata = ab\n";
  EXPECT_EQ(noise_arm(one), noise_arm(two));
  EXPECT_NE(noise_arm(one), noise_arm("kablate trial 1\nDATA_SEED = 1\nGPT2_N_LAYER = 4\nstep = 0\nseed = 1\n"
                                      "data = ab\n"));
  const std::string fixed_data =
      "kablate trial 1\nDATA_SEED = 7\nGPT2_N_LAYER = 3\nstep = 0\nseed = 2\ndata = ab\n";
  EXPECT_NE(noise_arm(one), noise_arm(fixed_data)) << "data that no seed moves are another arm";
}

}  // namespace
}  // namespace kablate
