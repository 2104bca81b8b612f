#include "measure/arithmetic.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/version.h>

#include "measure/variables.h"

namespace kablate {
namespace {

using testing::AnyOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

TEST(Arithmetic, NamesProcessorLibrariesAndVariables) {
  const Json here = describe_arithmetic(c10::kCPU);
  EXPECT_NE(here.at("cpu").at("id"), "unknown");
  EXPECT_THAT(here.at("cpu").at("features").get<std::string>(), AnyOf(HasSubstr("sse2"), HasSubstr("asimd")));
  EXPECT_THAT(here.at("libraries").get<std::vector<std::string>>(), Contains(StartsWith("LibTorch 2.")));
  EXPECT_TRUE(here.at("gpu").is_null());
  EXPECT_EQ(arithmetic_id(here), arithmetic_id(describe_arithmetic(c10::kCPU)));
}

// The tests are compiled against the LibTorch that they load.
TEST(Arithmetic, KnowsTheVersionThatIsLoaded) {
  EXPECT_THAT(std::string(TORCH_VERSION), StartsWith(torch_version()));
}

TEST(Arithmetic, AnotherVariableIsAnotherArithmetic) {
  const auto before = arithmetic_id(describe_arithmetic(c10::kCPU));
  ::setenv("ONEDNN_MAX_CPU_ISA", "SSE41", 1);
  const Json limited = describe_arithmetic(c10::kCPU);
  ::unsetenv("ONEDNN_MAX_CPU_ISA");
  EXPECT_EQ(limited.at("variables").at("ONEDNN_MAX_CPU_ISA"), "SSE41");
  EXPECT_NE(arithmetic_id(limited), before);
}

TEST(VariablesOfArithmetic, AreThoseOfTheFamiliesThatMayCount) {
  EXPECT_THAT(variables_of_arithmetic({{"ONEDNN_MAX_CPU_ISA", "AVX2"},
                                       {"MKL_CBWR", "COMPATIBLE"},
                                       {"ATEN_CPU_CAPABILITY", "default"},
                                       {"GLIBC_TUNABLES", "glibc.cpu.hwcaps=-FMA"},
                                       {"KMP_DETERMINISTIC_REDUCTION", "1"},
                                       {"OMP_NUM_THREADS", "2"},
                                       {"ONEDNN_VERBOSE", "1"},
                                       {"GOMP_SPINCOUNT", "5"},
                                       {"CUBLAS_WORKSPACE_CONFIG", ":16:8"},
                                       {"CUDA_VISIBLE_DEVICES", "1"},
                                       {"HOME", "/"}}),
              UnorderedElementsAre(testing::Key("ONEDNN_MAX_CPU_ISA"), testing::Key("MKL_CBWR"),
                                   testing::Key("ATEN_CPU_CAPABILITY"), testing::Key("GLIBC_TUNABLES"),
                                   testing::Key("KMP_DETERMINISTIC_REDUCTION")));
}

TEST(SettlingOf, SetsAndRemovesWhatWouldChangeATrial) {
  const auto settling = settling_of({{"OMP_THREAD_LIMIT", "1"},
                                     {"NVIDIA_TF32_OVERRIDE", "1"},
                                     {"ONEDNN_DEFAULT_FPMATH_MODE", "BF16"},
                                     {"CUBLAS_WORKSPACE_CONFIG", ":4096:8"},
                                     {"MKL_CBWR", "AVX2"}});
  EXPECT_THAT(settling.removed, UnorderedElementsAre("OMP_THREAD_LIMIT", "NVIDIA_TF32_OVERRIDE"));
  EXPECT_EQ(settling.set.at("ONEDNN_DEFAULT_FPMATH_MODE"), "STRICT");
  EXPECT_FALSE(settling.set.contains("CUBLAS_WORKSPACE_CONFIG"));
  EXPECT_TRUE(settling.set.contains("GOMP_SPINCOUNT"));
  EXPECT_TRUE(settling.misread) << "libraries were loaded with it";
  EXPECT_TRUE(settling_of({}).waits_otherwise);
  EXPECT_FALSE(settling_of({}).misread);
}

TEST(SettlingOf, LeavesASettledEnvironmentAlone) {
  Variables environment{{"OMP_WAIT_POLICY", "passive"}};
  const auto settling = settling_of(environment);
  EXPECT_FALSE(settling.set.contains("GOMP_SPINCOUNT")) << "the user's own choice";
  environment.insert(settling.set.begin(), settling.set.end());
  const auto again = settling_of(environment);
  EXPECT_THAT(again.set, IsEmpty());
  EXPECT_THAT(again.removed, IsEmpty());
  EXPECT_FALSE(again.misread || again.waits_otherwise);
}

}  // namespace
}  // namespace kablate
