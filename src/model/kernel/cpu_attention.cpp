#include "model/kernel/cpu_attention.h"

namespace kablate::kernel {
namespace {

const AttentionKernels* best() {
#if defined(KABLATE_X86_KERNELS)
  if (runs_avx512_attention()) return avx512_attention();
  if (runs_avx2_attention()) return avx2_attention();
#endif
  return nullptr;
}

const AttentionKernels*& in_use() {
  static const AttentionKernels* kernels = best();
  return kernels;
}

}  // namespace

#if defined(KABLATE_X86_KERNELS)
bool runs_avx512_attention() {
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool runs_avx2_attention() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#else
bool runs_avx512_attention() { return false; }
bool runs_avx2_attention() { return false; }
const AttentionKernels* avx512_attention() { return nullptr; }
const AttentionKernels* avx2_attention() { return nullptr; }
#endif

const AttentionKernels* cpu_attention() { return in_use(); }
void set_cpu_attention(const AttentionKernels* kernels) { in_use() = kernels; }

}  // namespace kablate::kernel
