// The kernels for the CPU, a table an instruction set, chosen when the program runs. No tensor library here:
// the files that include cpu_kernels_body.h are compiled for one instruction set each.
//
// Of every pointer here and in cpu_attention.h: its shape stands beside it, rows lie together without padding
// unless strides are given, and it is aligned to its element. What is marked "out" is written, not added to,
// and overlaps nothing else that the call is given; inputs may overlap one another. Element types are
// float32, or bfloat16 where the problem says so. Calls for different rows, heads or sequences may run at the
// same time, each with scratch of its own.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/kernel/cpu_attention.h"

namespace kablate::kernel {

// u = a·Φ(a) (Hendrycks and Gimpel 2016, "Gaussian Error Linear Units"), or its approximation by tanh;
// max(a, 0)²; g·σ(g)·a of a gate g.
enum class ActivationKind { kGelu, kGeluTanh, kRelu2, kSwiglu };

struct ActivationProblem {
  bool bfloat16 = false;  // else float32
  ActivationKind kind = ActivationKind::kGelu;
};

// Layer normalisation (Ba et al. 2016, "Layer Normalization") of x + added over rows of E numbers that lie
// together: (s - mean)·scale·weight + bias with scale = 1/sqrt(variance + epsilon). RMSNorm (Zhang and
// Sennrich 2019, "Root Mean Square Layer Normalization") takes 0 for the mean, there and in the variance.
struct NormProblem {
  std::int64_t E = 0;
  float epsilon = 0;
  bool rms = false;
  bool added_bfloat16 = false, normed_bfloat16 = false;  // else float32; x is float32
  const float* weight = nullptr;                         // [E], or null: 1
  const float* bias = nullptr;                           // [E], or null: 0
};

// Of N rows.
struct NormForward {
  const float* x = nullptr;     // [N, E]
  const void* added = nullptr;  // [N, E] in its type, or null: x alone
  float* sum = nullptr;         // out, [N, E]; null without `added`
  void* normed = nullptr;       // out, [N, E] in its type
  float* statistics = nullptr;  // out, [N, 2]: mean and scale
};

struct NormBackward {
  const float* sum = nullptr;             // [N, E], of the forward pass; x where nothing was added
  const float* statistics = nullptr;      // [N, 2], of the forward pass
  const void* normed_gradient = nullptr;  // [N, E] in the type of `normed`: of what the norm gave
  const float* sum_gradient = nullptr;    // [N, E]: of the sum where it is used beside the norm; or null
  float* x_gradient = nullptr;            // out, [N, E]
  void* added_gradient = nullptr;         // out, [N, E]: the same once more in the type of `added`; or null
  float* weight_gradient = nullptr;       // [E], added to: calls at the same time want one each; or null
  float* bias_gradient = nullptr;         // [E], likewise
};

// Of each position J heads of D channels that lie together, of which the first are normed (RMSNorm without
// parameters, of each head) and the last R channels of each of those rotated, pairs (i, i + R/2): x becomes
// (a·cos - b·sin, b·cos + a·sin). The others are copied.
struct RotationProblem {
  std::int64_t T = 0, J = 0, turned = 0, D = 0, R = 0;  // D <= kMostHeadWidth; R even, at most D
  bool bfloat16 = false;                                // else float32
  float epsilon = 0;                                    // of the norm; 0: none
  const float *cos = nullptr, *sin = nullptr;           // [T, R/2]; row r of x is position r mod T
};

// Functions of one instruction set. `scratch` is 64-byte aligned, of at least the bytes that the function
// beside it says; what it holds before does not matter, and it overlaps nothing else.
struct CpuKernels {
  const char* name;
  std::size_t (*forward_scratch)(const AttentionProblem&);
  std::size_t (*backward_scratch)(const AttentionProblem&);
  std::size_t (*rows_scratch)(const AttentionProblem&, const RoutingRows&);
  void (*forward)(const AttentionProblem&, const AttentionForward&, std::int64_t b, std::int64_t h,
                  void* scratch);
  // Of one of the K heads of keys, with all heads of queries that read it.
  void (*backward)(const AttentionProblem&, const AttentionBackward&, std::int64_t b, std::int64_t kept,
                   void* scratch);
  // Of the kQueriesAtOnce positions from q0, a multiple of that number, or as many as there are.
  void (*rows)(const AttentionProblem&, const RoutingRows&, std::int64_t b, std::int64_t q0, void* scratch);
  // Of sequence b: y, out [B, T, F]; the gradient of the weights, out [B, T, most]; that of channels f0 to f1
  // of u, out [B, T, F], with scratch for T·(f1 - f0) floats, aligned to a float. y_gradient [B, T, F]. All
  // but the weights and their gradient in the element type.
  void (*route)(const RouteProblem&, void* y, std::int64_t b);
  void (*route_weights_gradient)(const RouteProblem&, const void* y_gradient, float* gradient,
                                 std::int64_t b);
  void (*route_u_gradient)(const RouteProblem&, const void* y_gradient, void* gradient, std::int64_t b,
                           std::int64_t f0, std::int64_t f1, void* scratch);
  // n elements each, in the element type: a, the gate of kSwiglu (else null), u and its gradient grad_output;
  // u and the gradients of a and the gate (null without one) are out.
  void (*activation)(const ActivationProblem&, const void* a, const void* gate, void* u, std::int64_t n);
  void (*activation_gradient)(const ActivationProblem&, const void* a, const void* gate,
                              const void* grad_output, void* grad_a, void* grad_gate, std::int64_t n);
  // `count` rows from `first`.
  void (*norm)(const NormProblem&, const NormForward&, std::int64_t first, std::int64_t count);
  void (*norm_gradient)(const NormProblem&, const NormBackward&, std::int64_t first, std::int64_t count);
  // `count` of the [N, J, D] from row `first`, in the element type: y, out, which may be x itself; the
  // gradient of x, out, which may be that of y itself. x in the latter is read with a norm alone.
  void (*rotation)(const RotationProblem&, const void* x, void* y, std::int64_t first, std::int64_t count);
  void (*rotation_gradient)(const RotationProblem&, const void* x, const void* y_gradient, void* x_gradient,
                            std::int64_t first, std::int64_t count);
};

const CpuKernels* avx512_kernels();  // AVX-512 with its bfloat16 dot product
const CpuKernels* avx2_kernels();    // AVX2 with FMA

// Whether this CPU has the instructions.
bool runs_avx512_kernels();
bool runs_avx2_kernels();

// The ones in use: the best that this CPU runs, or null where it has neither, unless set otherwise (choice.h;
// null is KERNELS = portable).
const CpuKernels* cpu_kernels();
const char* cpu_kernels_name();  // "portable" where it is null
void set_cpu_kernels(const CpuKernels* kernels);

}  // namespace kablate::kernel
