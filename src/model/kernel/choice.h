// KERNELS: what computes on the CPU in this process. Told once, before its first model, as its threads are.
#pragma once

#include <string>

#include <c10/core/Device.h>

#include "config/model_options.h"

namespace kablate {

// What `kind` comes to on this CPU for models on `device`: "portable", "avx2" or "avx512". Portable is the
// path of every other device: LibTorch's own operations, none of the kernels here. Throws UserError where CPU
// or device lack what is asked for.
std::string resolved_kernels(KernelKind kind, c10::Device device);

// From here on every model of this process computes with them.
void use_kernels(KernelKind kind, c10::Device device);
std::string kernels_in_use();

}  // namespace kablate
