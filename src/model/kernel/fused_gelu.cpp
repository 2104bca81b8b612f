#include "model/kernel/fused_gelu.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

using kernel::GeluProblem;
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

const char* bytes_of(const Tensor& x, std::int64_t first) {
  return static_cast<const char*>(x.const_data_ptr()) + first;
}
char* bytes_of_result(const Tensor& x, std::int64_t first) {
  return static_cast<char*>(x.mutable_data_ptr()) + first;
}

struct Gelu : torch::autograd::Function<Gelu> {
  static Tensor forward(AutogradContext* ctx, const Tensor& a, bool tanh) {
    ctx->save_for_backward({a});
    ctx->saved_data["tanh"] = tanh;
    const Tensor u = at::empty_like(a);
    const GeluProblem problem{.bfloat16 = a.scalar_type() == at::kBFloat16, .tanh = tanh};
    for_pieces(a, [&](std::int64_t first, std::int64_t n) {
      kernel::cpu_kernels()->gelu(problem, bytes_of(a, first), bytes_of_result(u, first), n);
    });
    return u;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of gelu has no gradient");
    const Tensor a = ctx->get_saved_variables()[0], grad_output = grad_outputs[0].contiguous();
    const Tensor gradient = at::empty_like(a);
    const GeluProblem problem{.bfloat16 = a.scalar_type() == at::kBFloat16,
                              .tanh = ctx->saved_data["tanh"].toBool()};
    for_pieces(a, [&](std::int64_t first, std::int64_t n) {
      kernel::cpu_kernels()->gelu_gradient(problem, bytes_of(a, first), bytes_of(grad_output, first),
                                           bytes_of_result(gradient, first), n);
    });
    return {gradient, {}};
  }
};

}  // namespace

Tensor gelu(const Tensor& a, bool tanh) {
  return serves(a) ? Gelu::apply(a.contiguous(), tanh) : at::gelu(a, tanh ? "tanh" : "none");
}

}  // namespace kablate
