// Compiled for AVX2 (CMakeLists.txt): nothing here may run before the CPU was asked whether it has it.
#include "model/kernel/vector_avx2.h"
// The order matters.
#include "model/kernel/cpu_kernels_body.h"

namespace kablate::kernel {

const CpuKernels* avx2_kernels() {
  static constexpr CpuKernels kKernels = kernels("avx2");
  return &kKernels;
}

}  // namespace kablate::kernel
