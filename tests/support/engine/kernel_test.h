// Tests that run on each kind of kernels: those of an instruction set, and none.
#pragma once

#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/kernel/cpu_kernels.h"
#include "support/engine/twin.h"

namespace kablate {

// Runs a TEST_P on the kernels that its parameter names,
// where this CPU has them, on this run's random numbers.
class KernelTest : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto kind = GetParam();
    const bool runs = kind == "Portable" ||
                      (kind == "Avx512" ? kernel::runs_avx512_kernels() : kernel::runs_avx2_kernels());
    if (!runs) GTEST_SKIP() << "this CPU has no " << kind;
    kernel::set_cpu_kernels(kind == "Portable" ? nullptr
                            : kind == "Avx512" ? kernel::avx512_kernels()
                                               : kernel::avx2_kernels());
    at::manual_seed(seed_of_this_run());
  }
  void TearDown() override { kernel::set_cpu_kernels(before_); }

 private:
  const kernel::CpuKernels* before_ = kernel::cpu_kernels();
};

inline auto each_instruction_set() { return testing::Values("Avx512", "Avx2"); }
inline auto each_kind_of_kernels() { return testing::Values("Portable", "Avx512", "Avx2"); }
inline std::string instruction_set(const testing::TestParamInfo<std::string>& info) { return info.param; }

}  // namespace kablate
