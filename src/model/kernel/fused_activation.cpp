#include "model/kernel/fused_activation.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

using kernel::ActivationKind;
using kernel::ActivationProblem;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool serves(const Tensor& a) {
  const bool type = a.scalar_type() == at::kFloat || a.scalar_type() == at::kBFloat16;
  return a.is_cpu() && type && kernel::cpu_kernels() != nullptr;
}

// f(first byte, elements) of pieces.
template <typename Function>
void for_pieces(const Tensor& a, const Function& f) {
  constexpr std::int64_t kPiece = 16384;
  const auto n = a.numel(), size = static_cast<std::int64_t>(a.element_size());
  at::parallel_for(0, (n + kPiece - 1) / kPiece, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto first = begin * kPiece;
    f(first * size, std::min(end * kPiece, n) - first);
  });
}

// Null of a tensor that is not defined.
const char* bytes_of(const Tensor& x, std::int64_t first) {
  return x.defined() ? static_cast<const char*>(x.const_data_ptr()) + first : nullptr;
}
char* bytes_of_result(const Tensor& x, std::int64_t first) {
  return x.defined() ? static_cast<char*>(x.mutable_data_ptr()) + first : nullptr;
}

ActivationProblem problem_of(const Tensor& a, ActivationKind kind) {
  return {.bfloat16 = a.scalar_type() == at::kBFloat16, .kind = kind};
}

Tensor values(ActivationKind kind, const Tensor& a, const Tensor& gate) {
  const Tensor u = at::empty_like(a);
  for_pieces(a, [&](std::int64_t first, std::int64_t n) {
    kernel::cpu_kernels()->activation(problem_of(a, kind), bytes_of(a, first), bytes_of(gate, first),
                                      bytes_of_result(u, first), n);
  });
  return u;
}

// Of a, and of the gate where there is one.
variable_list gradients(ActivationKind kind, const Tensor& a, const Tensor& gate, const Tensor& grad_output) {
  const Tensor of_a = at::empty_like(a), of_gate = gate.defined() ? at::empty_like(gate) : Tensor();
  for_pieces(a, [&](std::int64_t first, std::int64_t n) {
    kernel::cpu_kernels()->activation_gradient(problem_of(a, kind), bytes_of(a, first), bytes_of(gate, first),
                                               bytes_of(grad_output, first), bytes_of_result(of_a, first),
                                               bytes_of_result(of_gate, first), n);
  });
  return {of_a, of_gate};
}

struct Curve : torch::autograd::Function<Curve> {
  static Tensor forward(AutogradContext* ctx, const Tensor& a, std::int64_t kind) {
    ctx->save_for_backward({a});
    ctx->saved_data["kind"] = kind;
    return values(static_cast<ActivationKind>(kind), a, {});
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of an activation has no gradient");
    const Tensor a = ctx->get_saved_variables()[0], grad_output = grad_outputs[0].contiguous();
    const auto kind = static_cast<ActivationKind>(ctx->saved_data["kind"].toInt());
    return {gradients(kind, a, {}, grad_output)[0], {}};
  }
};

Tensor curve(ActivationKind kind, const Tensor& a) {
  return Curve::apply(a.contiguous(), static_cast<std::int64_t>(kind));
}

struct Swiglu : torch::autograd::Function<Swiglu> {
  static Tensor forward(AutogradContext* ctx, const Tensor& a, const Tensor& gate) {
    ctx->save_for_backward({a, gate});
    return serves(a) ? values(ActivationKind::kSwiglu, a, gate) : at::silu(gate) * a;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of swiglu has no gradient");
    const auto saved = ctx->get_saved_variables();
    const Tensor &a = saved[0], &gate = saved[1], grad_output = grad_outputs[0].contiguous();
    if (serves(a)) return gradients(ActivationKind::kSwiglu, a, gate, grad_output);
    return {grad_output * at::silu(gate), at::silu_backward(grad_output * a, gate)};
  }
};

}  // namespace

Tensor gelu(const Tensor& a, bool tanh) {
  if (!serves(a)) return at::gelu(a, tanh ? "tanh" : "none");
  return curve(tanh ? ActivationKind::kGeluTanh : ActivationKind::kGelu, a);
}

Tensor relu_squared(const Tensor& a) {
  return serves(a) ? curve(ActivationKind::kRelu2, a) : at::relu(a).square();
}

Tensor swiglu(const Tensor& a, const Tensor& gate) {
  TORCH_CHECK(a.sizes() == gate.sizes() && a.scalar_type() == gate.scalar_type(), "values ", a.scalar_type(),
              " ", a.sizes(), " with a gate ", gate.scalar_type(), " ", gate.sizes());
  return Swiglu::apply(a.contiguous(), gate.contiguous());
}

}  // namespace kablate
