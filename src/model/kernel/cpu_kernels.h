// The kernels for the CPU, a table an instruction set, chosen when the program runs. No tensor library here:
// the files that include cpu_kernels_body.h are compiled for one instruction set each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernel/cpu_attention.h"

namespace kablate::kernel {

// u = a·Φ(a) (Hendrycks and Gimpel 2016, "Gaussian Error Linear Units"), or its approximation by tanh.
// Elements lie together.
struct GeluProblem {
  bool bfloat16 = false;  // else float32
  bool tanh = false;
};

// Functions of one instruction set. `scratch` is 64-byte aligned, of at least the bytes that the function
// beside it says; what it holds before does not matter.
struct CpuKernels {
  const char* name;
  std::size_t (*forward_scratch)(const AttentionProblem&);
  std::size_t (*backward_scratch)(const AttentionProblem&);
  std::size_t (*rows_scratch)(const AttentionProblem&, const RoutingRows&);
  void (*forward)(const AttentionProblem&, const AttentionForward&, std::int64_t b, std::int64_t h,
                  void* scratch);
  void (*backward)(const AttentionProblem&, const AttentionBackward&, std::int64_t b, std::int64_t h,
                   void* scratch);
  // Of positions from q0, a multiple of kQueriesAtOnce.
  void (*rows)(const AttentionProblem&, const RoutingRows&, std::int64_t b, std::int64_t q0, void* scratch);
  // y [B, T, F] of sequence b; the gradients of the weights [B, T, most], and of the channels f0 to f1 of u,
  // with scratch for T·(f1 - f0) floats.
  void (*route)(const RouteProblem&, void* y, std::int64_t b);
  void (*route_weights_gradient)(const RouteProblem&, const void* y_gradient, float* gradient,
                                 std::int64_t b);
  void (*route_u_gradient)(const RouteProblem&, const void* y_gradient, void* gradient, std::int64_t b,
                           std::int64_t f0, std::int64_t f1, void* scratch);
  // n elements; `above` is the gradient of u.
  void (*gelu)(const GeluProblem&, const void* a, void* u, std::int64_t n);
  void (*gelu_gradient)(const GeluProblem&, const void* a, const void* above, void* gradient, std::int64_t n);
};

const CpuKernels* avx512_kernels();  // AVX-512 with its bfloat16 dot product
const CpuKernels* avx2_kernels();    // AVX2 with FMA

// Whether this CPU has the instructions.
bool runs_avx512_kernels();
bool runs_avx2_kernels();

// The ones in use: the best that this CPU runs, or null where it has neither, unless set otherwise (for tests
// and benchmarks; null is none).
const CpuKernels* cpu_kernels();
const char* cpu_kernels_name();  // "none" where it is null
void set_cpu_kernels(const CpuKernels* kernels);

}  // namespace kablate::kernel
