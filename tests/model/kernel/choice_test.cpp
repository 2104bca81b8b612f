// KERNELS: what it comes to, and where it is refused.
#include "model/kernel/choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "model/kernel/cpu_kernels.h"
#include "support/core/expect_error.h"

namespace kablate {
namespace {

const c10::Device kCpu(c10::kCPU), kGpu(c10::kCUDA, 0);

TEST(Kernels, AutoIsTheBestOfTheCpu) {
  const std::string best = kernel::runs_avx512_kernels() ? "avx512"
                           : kernel::runs_avx2_kernels() ? "avx2"
                                                         : "portable";
  EXPECT_EQ(resolved_kernels(KernelKind::kAuto, kCpu), best);
  EXPECT_EQ(resolved_kernels(KernelKind::kPortable, kCpu), "portable");
}

TEST(Kernels, OfAGpuArePortable) {
  EXPECT_EQ(resolved_kernels(KernelKind::kAuto, kGpu), "portable");
  EXPECT_EQ(resolved_kernels(KernelKind::kPortable, kGpu), "portable");
  testing_support::expect_error([] { resolved_kernels(KernelKind::kAvx2, kGpu); },
                                {"KERNELS = avx2 with a GPU", "DEVICE = cpu"});
}

TEST(Kernels, AreRefusedWhereTheCpuLacksThem) {
  for (const auto& [kind, runs, name] :
       {std::tuple{KernelKind::kAvx512, kernel::runs_avx512_kernels(), "avx512"},
        {KernelKind::kAvx2, kernel::runs_avx2_kernels(), "avx2"}}) {
    if (runs) {
      EXPECT_EQ(resolved_kernels(kind, kCpu), name);
    } else {
      testing_support::expect_error([kind = kind] { resolved_kernels(kind, kCpu); },
                                    {"KERNELS = ", name, "this CPU has no", "portable"});
    }
  }
}

TEST(Kernels, AreThoseThatTheProcessWasTold) {
  const auto* before = kernel::cpu_kernels();
  use_kernels(KernelKind::kPortable, kCpu);
  EXPECT_EQ(kernel::cpu_kernels(), nullptr);
  EXPECT_EQ(kernels_in_use(), "portable");
  if (kernel::runs_avx2_kernels()) {
    use_kernels(KernelKind::kAvx2, kCpu);
    EXPECT_EQ(kernel::cpu_kernels(), kernel::avx2_kernels());
    EXPECT_EQ(kernels_in_use(), "avx2");
  }
  kernel::set_cpu_kernels(before);
}

}  // namespace
}  // namespace kablate
