#include "measure/gpus.h"

#include <gtest/gtest.h>

#include "support/core/expect_error.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using Names = std::vector<std::string>;

TEST(GpuNames, AreThoseOfTheEnvironment) {
  EXPECT_EQ(gpu_names({}, 3), (Names{"0", "1", "2"}));
  EXPECT_EQ(gpu_names({{"CUDA_VISIBLE_DEVICES", "2, GPU-8932"}}, 2), (Names{"2", "GPU-8932"}));
  EXPECT_EQ(gpu_names({{"CUDA_VISIBLE_DEVICES", "1,-1,0"}}, 1), (Names{"1"}));
  EXPECT_EQ(gpu_names({{"CUDA_VISIBLE_DEVICES", ""}}, 0), Names{});
}

TEST(GpuPool, GivesTheOneThatTheFewestHave) {
  GpuPool pool({"a", "b"});
  EXPECT_EQ(pool.take(), "a");
  EXPECT_EQ(pool.take(), "b");
  EXPECT_EQ(pool.take(), "a");
  pool.give_back("b");
  EXPECT_EQ(pool.take(), "b");
  pool.give_back("a"), pool.give_back("a");
  EXPECT_EQ(pool.take(), "a");
}

TEST(GpuPool, GivesALauncherOneForEachRank) {
  GpuPool pool({"a", "b", "c"});
  EXPECT_EQ(pool.take(), "a");
  EXPECT_EQ(pool.take(2), "b,c");
  EXPECT_EQ(pool.take(2), "a,b");
  pool.give_back("b,c"), pool.give_back("a,b");
  EXPECT_EQ(pool.take(), "b");
  EXPECT_EQ(pool.take(3), "") << "there is no choice";
  EXPECT_EQ(pool.take(4), "") << "the others are on other hosts";
  EXPECT_EQ(pool.take(0), "") << "another chooses";
}

std::string gpu_of(const std::string& place, const char* visible) {
  Variables environment{{"OMPI_COMM_WORLD_LOCAL_RANK", place}};
  if (visible != nullptr) environment["CUDA_VISIBLE_DEVICES"] = visible;
  return gpu_of_rank(environment);
}

TEST(GpuOfRank, IsItsOwnOfThoseThatTheEnvironmentNames) {
  EXPECT_EQ(gpu_of("2", nullptr), "2");
  EXPECT_EQ(gpu_of("1", "5, GPU-8932"), "GPU-8932");
  EXPECT_EQ(gpu_of("1", "3"), "3") << "Slurm binds each rank to its own";
  EXPECT_EQ(gpu_of_rank({{"SLURM_LOCALID", "1"}}), "1");
  expect_error([] { gpu_of("2", "5,7"); }, {"\"5,7\"", "rank 2"});
  expect_error([] { gpu_of("0", ""); }, {"\"\"", "rank 0"});
  expect_error([] { gpu_of_rank({}); }, {"SLURM_LOCALID"});
}

TEST(GpuPool, LeavesAMachineOfOneOrNoneAlone) {
  EXPECT_EQ(GpuPool({}).take(), "");
  EXPECT_EQ(GpuPool({"0"}).take(), "");
}

}  // namespace
}  // namespace kablate
