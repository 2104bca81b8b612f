// Compiled for AVX-512 (CMakeLists.txt): nothing here may run before the CPU was asked whether it has it.
#include "model/kernel/vector_avx512.h"
// The order matters.
#include "model/kernel/cpu_routing_body.h"

namespace kablate::kernel {

const AttentionKernels* avx512_attention() {
  static constexpr AttentionKernels kKernels = kernels("avx512");
  return &kKernels;
}

}  // namespace kablate::kernel
