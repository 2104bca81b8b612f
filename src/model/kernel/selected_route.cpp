#include "model/kernel/selected_route.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

using kernel::RouteProblem;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

RouteProblem route_problem(const Tensor& weights_BTk, const Tensor& columns_BTk, const Tensor& u_BTF) {
  return {.T = u_BTF.size(1),
          .F = u_BTF.size(2),
          .most = weights_BTk.size(2),
          .bfloat16 = u_BTF.scalar_type() == at::kBFloat16,
          .weights = weights_BTk.const_data_ptr<float>(),
          .columns = columns_BTk.const_data_ptr<std::int32_t>(),
          .u = u_BTF.const_data_ptr()};
}

// f(b) for each sequence.
template <typename Function>
void for_sequences(std::int64_t B, const Function& f) {
  at::parallel_for(0, B, 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto b = begin; b < end; ++b) f(b);
  });
}

// A sum over rows belongs to one thread, whose channels stay in the cache.
Tensor gradient_of_u(const RouteProblem& problem, const Tensor& grad_output_BTF) {
  constexpr std::int64_t kChannels = 128;
  const auto B = grad_output_BTF.size(0), pieces = (problem.F + kChannels - 1) / kChannels;
  const Tensor gradient = at::empty_like(grad_output_BTF);
  at::parallel_for(0, B * pieces, 1, [&](std::int64_t begin, std::int64_t end) {
    const auto scratch =
        c10::GetCPUAllocator()->allocate(static_cast<std::size_t>(problem.T * kChannels) * sizeof(float));
    for (auto i = begin; i < end; ++i) {
      const auto first = i % pieces * kChannels;
      kernel::cpu_kernels()->route_u_gradient(problem, grad_output_BTF.const_data_ptr(),
                                              gradient.mutable_data_ptr(), i / pieces, first,
                                              std::min(first + kChannels, problem.F), scratch.get());
    }
  });
  return gradient;
}

struct Route : torch::autograd::Function<Route> {
  static Tensor forward(AutogradContext* ctx, const Tensor& weights, const Tensor& columns, const Tensor& u) {
    ctx->save_for_backward({weights, columns, u});
    const auto problem = route_problem(weights, columns, u);
    const Tensor y = at::empty_like(u);
    for_sequences(u.size(0),
                  [&](std::int64_t b) { kernel::cpu_kernels()->route(problem, y.mutable_data_ptr(), b); });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of routing has no gradient");
    const auto saved = ctx->get_saved_variables();
    const auto problem = route_problem(saved[0], saved[1], saved[2]);
    const Tensor grad_output_BTF = grad_outputs[0].contiguous();
    Tensor weights;
    if (ctx->needs_input_grad(0)) {
      weights = at::empty_like(saved[0]);
      for_sequences(grad_output_BTF.size(0), [&](std::int64_t b) {
        kernel::cpu_kernels()->route_weights_gradient(problem, grad_output_BTF.const_data_ptr(),
                                                      weights.data_ptr<float>(), b);
      });
    }
    return {weights, {}, gradient_of_u(problem, grad_output_BTF)};
  }
};

}  // namespace

Tensor route_selected(const Tensor& weights_BTk, const Tensor& columns_BTk, const Tensor& u_BTF) {
  return Route::apply(weights_BTk.contiguous(), columns_BTk.contiguous(), u_BTF.contiguous());
}

Tensor dense_rows(const Tensor& weights_BTk, const Tensor& columns_BTk) {
  const auto B = weights_BTk.size(0), T = weights_BTk.size(1);
  // Entries that a row lacks have weight 0: adding them to column 0 changes nothing.
  return at::zeros({B, T, T}, weights_BTk.options())
      .scatter_add(2, columns_BTk.clamp_min(0).to(at::kLong), weights_BTk);
}

}  // namespace kablate
