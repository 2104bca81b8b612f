// Compiled for AVX-512 (CMakeLists.txt): nothing here may run before the CPU was asked whether it has it.
#include "model/kernel/vector_avx512.h"
// The order matters.
#include "model/kernel/cpu_kernels_body.h"

namespace kablate::kernel {

const CpuKernels* avx512_kernels() {
  static constexpr CpuKernels kKernels = kernels("avx512");
  return &kKernels;
}

}  // namespace kablate::kernel
