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
// The levels that the files are compiled for: the compiler may use all of a level, not the instructions alone
// that the kernels name.
bool runs_avx512_attention() {
  return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16");
}
bool runs_avx2_attention() { return __builtin_cpu_supports("x86-64-v3"); }
#else
bool runs_avx512_attention() { return false; }
bool runs_avx2_attention() { return false; }
const AttentionKernels* avx512_attention() { return nullptr; }
const AttentionKernels* avx2_attention() { return nullptr; }
#endif

const AttentionKernels* cpu_attention() { return in_use(); }
const char* cpu_attention_name() { return in_use() == nullptr ? "none" : in_use()->name; }
void set_cpu_attention(const AttentionKernels* kernels) { in_use() = kernels; }

}  // namespace kablate::kernel
