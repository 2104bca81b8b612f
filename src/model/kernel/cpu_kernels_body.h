// One table of all kernels, for both element types. Include after a vector_*.h.
#pragma once

#include "model/kernel/cpu_activation_body.h"
#include "model/kernel/cpu_norm_body.h"
#include "model/kernel/cpu_rotation_body.h"
#include "model/kernel/cpu_routing_body.h"

namespace {

constexpr CpuKernels kernels(const char* name) {
  return {
      name,
      [](const AttentionProblem& p) {
        return p.bfloat16 ? forward_scratch<BFloat16>(p) : forward_scratch<Float32>(p);
      },
      [](const AttentionProblem& p) {
        return p.bfloat16 ? backward_scratch<BFloat16>(p) : backward_scratch<Float32>(p);
      },
      [](const AttentionProblem& p, const RoutingRows& result) {
        return p.bfloat16 ? rows_scratch<BFloat16>(p, result) : rows_scratch<Float32>(p, result);
      },
      [](const AttentionProblem& p, const AttentionForward& result, int64_t b, int64_t h, void* scratch) {
        p.bfloat16 ? forward<BFloat16>(p, result, b, h, scratch) : forward<Float32>(p, result, b, h, scratch);
      },
      [](const AttentionProblem& p, const AttentionBackward& result, int64_t b, int64_t h, void* scratch) {
        p.bfloat16 ? backward<BFloat16>(p, result, b, h, scratch)
                   : backward<Float32>(p, result, b, h, scratch);
      },
      [](const AttentionProblem& p, const RoutingRows& result, int64_t b, int64_t q0, void* scratch) {
        p.bfloat16 ? rows<BFloat16>(p, result, b, q0, scratch) : rows<Float32>(p, result, b, q0, scratch);
      },
      [](const RouteProblem& p, void* y, int64_t b) {
        p.bfloat16 ? route<BFloat16>(p, y, b) : route<Float32>(p, y, b);
      },
      [](const RouteProblem& p, const void* y_gradient, float* gradient, int64_t b) {
        p.bfloat16 ? route_weights_gradient<BFloat16>(p, y_gradient, gradient, b)
                   : route_weights_gradient<Float32>(p, y_gradient, gradient, b);
      },
      [](const RouteProblem& p, const void* y_gradient, void* gradient, int64_t b, int64_t f0, int64_t f1,
         void* scratch) {
        p.bfloat16 ? route_u_gradient<BFloat16>(p, y_gradient, gradient, b, f0, f1, scratch)
                   : route_u_gradient<Float32>(p, y_gradient, gradient, b, f0, f1, scratch);
      },
      [](const ActivationProblem& p, const void* a, const void* gate, void* u, int64_t n) {
        p.bfloat16 ? activation<std::uint16_t>(p, a, gate, u, n) : activation<float>(p, a, gate, u, n);
      },
      [](const ActivationProblem& p, const void* a, const void* gate, const void* grad_output, void* grad_a,
         void* grad_gate, int64_t n) {
        p.bfloat16 ? activation_gradient<std::uint16_t>(p, a, gate, grad_output, grad_a, grad_gate, n)
                   : activation_gradient<float>(p, a, gate, grad_output, grad_a, grad_gate, n);
      },
      norm,
      norm_gradient,
      [](const RotationProblem& p, const void* x, void* y, int64_t first, int64_t count) {
        p.bfloat16 ? rotation_rows<std::uint16_t>(p, x, y, first, count)
                   : rotation_rows<float>(p, x, y, first, count);
      },
      [](const RotationProblem& p, const void* x, const void* y_gradient, void* x_gradient, int64_t first,
         int64_t count) {
        p.bfloat16 ? rotation_gradient_rows<std::uint16_t>(p, x, y_gradient, x_gradient, first, count)
                   : rotation_gradient_rows<float>(p, x, y_gradient, x_gradient, first, count);
      }};
}

}  // namespace
