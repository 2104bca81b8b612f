#include "model/kernel/choice.h"

#include "base/error.h"
#include "base/text.h"
#include "config/enum_names.h"
#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

bool runs(KernelKind kind) {
  if (kind == KernelKind::kAvx512) return kernel::runs_avx512_kernels();
  if (kind == KernelKind::kAvx2) return kernel::runs_avx2_kernels();
  return true;
}

KernelKind resolve(KernelKind kind, c10::Device device) {
  const bool automatic = kind == KernelKind::kAuto;
  if (!device.is_cpu()) {
    if (automatic || kind == KernelKind::kPortable) return KernelKind::kPortable;
    throw UserError(
        str("KERNELS = ", enum_name(kind),
            " with a GPU: these kernels are for the CPU; allowed: auto or portable, or DEVICE = cpu"));
  }
  for (const auto best : {KernelKind::kAvx512, KernelKind::kAvx2})
    if (automatic && runs(best)) return best;
  if (automatic) return KernelKind::kPortable;
  if (runs(kind)) return kind;
  throw UserError(str("KERNELS = ", enum_name(kind), ": this CPU has no ",
                      kind == KernelKind::kAvx2
                          ? "AVX2 with FMA (x86-64-v3)"
                          : "AVX-512 with its bfloat16 product (x86-64-v4, avx512_bf16)",
                      "; allowed here: auto, portable", runs(KernelKind::kAvx2) ? ", avx2" : ""));
}

const kernel::CpuKernels* table_of(KernelKind kind) {
  if (kind == KernelKind::kAvx512) return kernel::avx512_kernels();
  return kind == KernelKind::kAvx2 ? kernel::avx2_kernels() : nullptr;
}

}  // namespace

std::string resolved_kernels(KernelKind kind, c10::Device device) { return enum_name(resolve(kind, device)); }

void use_kernels(KernelKind kind, c10::Device device) {
  kernel::set_cpu_kernels(table_of(resolve(kind, device)));
}

std::string kernels_in_use() { return kernel::cpu_kernels_name(); }

}  // namespace kablate
