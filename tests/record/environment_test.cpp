#include "record/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

const Json kThere = {{"cpu", "A"}, {"cores", 2}, {"git", {{"commit", "1"}, {"dirty", false}}}, {"host", "x"}};

TEST(Environment, DifferencesNameEveryValue) {
  EXPECT_THAT(environment_differences(kThere, kThere), IsEmpty());
  Json here = kThere;
  here["cores"] = 4, here["git"]["commit"] = "2", here["compiler"] = "GCC";
  here.erase("host");
  EXPECT_THAT(environment_differences(kThere, here),
              ElementsAre("compiler: not recorded -> GCC", "cores: 2 -> 4", "git.commit: 1 -> 2",
                          "host: x -> not recorded"));
}

TEST(Environment, LongTextsAreNotShown) {
  Json here = kThere;
  here["uncommitted_changes"] = std::string(500, '-');
  EXPECT_THAT(environment_differences(kThere, here), ElementsAre("uncommitted_changes differ"));
}

TEST(Environment, CausesAreWhatCanChangeANumber) {
  Json here = kThere;
  here["cpu"] = "B", here["cores"] = 4, here["git"]["commit"] = "2", here["host"] = "y";
  here["arithmetic"] = {{"aten", "AVX2"}, {"variables", {{"MKL_CBWR", "AVX2"}}}};
  here["waiting"] = {{"GOMP_SPINCOUNT", "1"}};
  EXPECT_THAT(environment_causes(kThere, here),
              ElementsAre("arithmetic.aten: not recorded -> AVX2",
                          "arithmetic.variables.MKL_CBWR: not recorded -> AVX2", "cpu: A -> B"));
}

TEST(Environment, MissingOrDamagedIsEmpty) {
  TemporaryFolder folder;
  const TrialFolder trial(folder.path());
  EXPECT_TRUE(read_environment(trial).empty());
  folder.write("environment.json", "{\"cpu\": ");
  EXPECT_TRUE(read_environment(trial).is_object());
  folder.write("environment.json", "{\"cpu\": \"A\"}");
  EXPECT_EQ(read_environment(trial).at("cpu"), "A");
}

}  // namespace
}  // namespace kablate
