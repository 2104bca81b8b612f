#include "model/kernel/fused_rotation.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"
#include "model/kernel/fused_norm.h"

namespace kablate {
namespace {

using kernel::RotationProblem;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

NormFunction norm_of_heads() { return {.kind = NormKind::kRmsNorm, .weight = {}, .bias = {}}; }

bool kernels_serve(const Tensor& x) {
  const bool type = x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16;
  return x.is_cpu() && type && x.size(-1) <= kernel::kMostHeadWidth && x.numel() > 0 &&
         kernel::cpu_kernels() != nullptr;
}

RotationProblem rotation_problem(const Tensor& x_BTJD, const HeadsOptions& options) {
  const auto& [turned, rotation, norm] = options;
  return {.T = x_BTJD.size(1),
          .J = x_BTJD.size(2),
          .turned = turned,
          .D = x_BTJD.size(3),
          .R = rotation.defined() ? 2 * rotation.cos_TP.size(1) : 0,
          .bfloat16 = x_BTJD.scalar_type() == at::kBFloat16,
          .epsilon = norm ? static_cast<float>(norm_of_heads().epsilon) : 0,
          .cos = rotation.defined() ? rotation.cos_TP.const_data_ptr<float>() : nullptr,
          .sin = rotation.defined() ? rotation.sin_TP.const_data_ptr<float>() : nullptr};
}

// f(first row, rows) of pieces of the B·T rows.
template <typename Function>
void for_rows(const Tensor& x_BTJD, const Function& f) {
  constexpr std::int64_t kElements = 16384;
  const auto rows = x_BTJD.size(0) * x_BTJD.size(1), elements = x_BTJD.size(2) * x_BTJD.size(3);
  at::parallel_for(0, rows, std::max<std::int64_t>(1, kElements / elements),
                   [&](std::int64_t begin, std::int64_t end) { f(begin, end - begin); });
}

// The turned channels of the turned heads by LibTorch's operations; `direction` -1 is the way back.
Tensor by_library(const Tensor& x_BTJD, const HeadsOptions& options, double direction) {
  const auto R = 2 * options.rotation.cos_TP.size(1), D = x_BTJD.size(3);
  const auto pairs = [&](const Tensor& table_TP) { return table_TP.unsqueeze(1); };
  const Tensor cos_T1P = pairs(options.rotation.cos_TP), sin_T1P = pairs(options.rotation.sin_TP) * direction;
  const Tensor y_BTJD = x_BTJD.clone(at::MemoryFormat::Contiguous);
  const auto half = [&](const Tensor& of, std::int64_t first) {
    return of.narrow(2, 0, options.turned).narrow(3, D - R + first, R / 2);
  };
  const Tensor a = half(x_BTJD, 0).to(cos_T1P.scalar_type()),
               b = half(x_BTJD, R / 2).to(cos_T1P.scalar_type());
  half(y_BTJD, 0).copy_(a * cos_T1P - b * sin_T1P);
  half(y_BTJD, R / 2).copy_(b * cos_T1P + a * sin_T1P);
  return y_BTJD;
}

// A tensor over the memory of x that autograd takes for another one.
Tensor over_memory_of(const Tensor& x) {
  Tensor y = at::empty({0}, x.options());
  return y.set_(x.storage(), x.storage_offset(), x.sizes(), x.strides());
}

// Whether nobody else holds the memory of a gradient, which may then become another's.
bool alone(const Tensor& gradient) {
  return gradient.is_contiguous() && gradient.use_count() == 1 && gradient.storage().use_count() == 1;
}

struct PreparedHeads : torch::autograd::Function<PreparedHeads> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const HeadsOptions& options) {
    const auto& [turned, rotation, norm] = options;
    ctx->save_for_backward({rotation.cos_TP, rotation.sin_TP, norm ? x : Tensor()});
    ctx->saved_data["turned"] = turned;
    if (!kernels_serve(x)) return by_library(x, options, 1);
    const Tensor y = norm ? at::empty_like(x) : over_memory_of(x);
    const auto problem = rotation_problem(x, options);
    for_rows(x, [&](std::int64_t first, std::int64_t count) {
      kernel::cpu_kernels()->rotation(problem, x.const_data_ptr(), y.mutable_data_ptr(), first, count);
    });
    return y;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of a rotation has no gradient");
    const auto saved = ctx->get_saved_variables();
    const Tensor& x = saved[2];
    const HeadsOptions options{ctx->saved_data["turned"].toInt(), {saved[0], saved[1]}, x.defined()};
    if (!kernels_serve(grad_outputs[0])) return {by_library(grad_outputs[0], options, -1), {}};
    const bool in_place = alone(grad_outputs[0]);
    const Tensor y_gradient = grad_outputs[0].contiguous();
    const Tensor x_gradient = in_place ? over_memory_of(y_gradient) : at::empty_like(y_gradient);
    const auto problem = rotation_problem(y_gradient, options);
    for_rows(y_gradient, [&](std::int64_t first, std::int64_t count) {
      kernel::cpu_kernels()->rotation_gradient(problem, x.defined() ? x.const_data_ptr() : nullptr,
                                               y_gradient.const_data_ptr(), x_gradient.mutable_data_ptr(),
                                               first, count);
    });
    return {x_gradient, {}};
  }
};

}  // namespace

Rotation make_rotation(std::int64_t first, std::int64_t T, std::int64_t R, double base,
                       const at::TensorOptions& options) {
  TORCH_CHECK(R > 0 && R % 2 == 0, "a rotation of ", R, " channels: they go by pairs");
  const auto kept = options.dtype(at::kDouble).device(at::kCPU).requires_grad(false);
  const Tensor cos_TP = at::empty({T, R / 2}, kept), sin_TP = at::empty({T, R / 2}, kept);
  auto *cos = cos_TP.mutable_data_ptr<double>(), *sin = sin_TP.mutable_data_ptr<double>();
  for (std::int64_t i = 0; i < R / 2; ++i) {
    const double step = std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(R));
    for (std::int64_t t = 0; t < T; ++t) {
      const double angle = static_cast<double>(first + t) * step;
      cos[t * (R / 2) + i] = std::cos(angle), sin[t * (R / 2) + i] = std::sin(angle);
    }
  }
  const auto asked = at::TensorOptions().dtype(options.dtype()).device(options.device());
  return {cos_TP.to(asked), sin_TP.to(asked)};
}

Tensor prepared_heads(const Tensor& x_BTJD, const HeadsOptions& options) {
  const auto& [turned, rotation, norm] = options;
  const auto T = x_BTJD.size(1), D = x_BTJD.size(3);
  TORCH_CHECK(!rotation.defined() || (rotation.cos_TP.size(0) == T && 2 * rotation.cos_TP.size(1) <= D),
              "heads ", x_BTJD.sizes(), " can't be rotated by ", rotation.cos_TP.sizes(), " angles");
  TORCH_CHECK(turned >= 0 && turned <= x_BTJD.size(2), "of ", x_BTJD.size(2), " heads ", turned,
              " can't be turned");
  if (!norm && !rotation.defined()) return x_BTJD;
  if (!norm || kernels_serve(x_BTJD)) return PreparedHeads::apply(x_BTJD.contiguous(), options);
  const Tensor normed =
      add_norm(x_BTJD.narrow(2, 0, turned), {}, norm_of_heads(), statistics_type(x_BTJD.scalar_type()))
          .normed;
  const Tensor rotated = prepared_heads(normed, {.turned = turned, .rotation = rotation, .norm = false});
  return at::cat({rotated.to(x_BTJD.scalar_type()), x_BTJD.narrow(2, turned, x_BTJD.size(2) - turned)}, 2);
}

}  // namespace kablate
