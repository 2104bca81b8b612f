#include "model/kernel/cpu_kernels.h"

namespace kablate::kernel {
namespace {

const CpuKernels* best() {
#if defined(KABLATE_X86_KERNELS)
  if (runs_avx512_kernels()) return avx512_kernels();
  if (runs_avx2_kernels()) return avx2_kernels();
#endif
  return nullptr;
}

const CpuKernels*& in_use() {
  static const CpuKernels* kernels = best();
  return kernels;
}

}  // namespace

#if defined(KABLATE_X86_KERNELS)
// The levels that the files are compiled for: the compiler may use all of a level, not the instructions alone
// that the kernels name.
bool runs_avx512_kernels() {
  return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16");
}
bool runs_avx2_kernels() { return __builtin_cpu_supports("x86-64-v3"); }
#else
bool runs_avx512_kernels() { return false; }
bool runs_avx2_kernels() { return false; }
const CpuKernels* avx512_kernels() { return nullptr; }
const CpuKernels* avx2_kernels() { return nullptr; }
#endif

const CpuKernels* cpu_kernels() { return in_use(); }
const char* cpu_kernels_name() { return in_use() == nullptr ? "portable" : in_use()->name; }
void set_cpu_kernels(const CpuKernels* kernels) { in_use() = kernels; }

}  // namespace kablate::kernel
