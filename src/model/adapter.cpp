#include "model/adapter.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// What the adapter adds goes into the memory of the product that it stands beside, and its gradient into that
// of the input's: no pass over [N, out] or [N, in] more than the products themselves.
struct Adapted : torch::autograd::Function<Adapted> {
  // `read` is undefined where it is x.
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const std::optional<Tensor>& read,
                        const Tensor& weight, const std::optional<Tensor>& bias, const Tensor& A,
                        const Tensor& B, double scale) {
    const Tensor in_NI = rows_of(x), read_NI = read ? rows_of(*read) : in_NI;
    const Tensor low_NR = at::mm(read_NI, A.t());
    Tensor y_NO = linear_values(in_NI, weight, bias.value_or(Tensor()));
    y_NO.addmm_(low_NR, B.t(), /*beta=*/1, /*alpha=*/scale);
    ctx->save_for_backward({x, read.value_or(Tensor()), weight, A, B, low_NR});
    ctx->saved_data["bias"] = bias.has_value();
    ctx->saved_data["scale"] = scale;
    auto sizes = x.sizes().vec();
    sizes.back() = weight.size(0);
    return y_NO.view(sizes);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of an adapted layer has no gradient");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &read = saved[1], &weight = saved[2], &A = saved[3], &B = saved[4],
                 &low_NR = saved[5];
    const double scale = ctx->saved_data["scale"].toDouble();
    const bool dropped = read.defined();
    const Tensor grad_NO = rows_of(grad_outputs[0]);
    const Tensor grad_low_NR = at::mm(grad_NO, B).mul_(scale);
    variable_list gradients(7);
    if (ctx->needs_input_grad(0)) {
      Tensor grad_x = linear_input_gradient(grad_NO, weight);
      if (!dropped) grad_x.addmm_(grad_low_NR, A);
      gradients[0] = grad_x.view(x.sizes());
    }
    // Places count the tensors that are there.
    std::size_t place = 1;
    if (dropped && ctx->needs_input_grad(place++)) gradients[1] = at::mm(grad_low_NR, A).view(x.sizes());
    if (ctx->needs_input_grad(place++)) gradients[2] = linear_weight_gradient(grad_NO, rows_of(x));
    if (ctx->saved_data["bias"].toBool() && ctx->needs_input_grad(place++)) gradients[3] = grad_NO.sum(0);
    gradients[4] = at::mm(grad_low_NR.t(), rows_of(dropped ? read : x));
    gradients[5] = at::mm(grad_NO.t(), low_NR).mul_(scale);
    return gradients;
  }
};

}  // namespace

Tensor adapted_written_out(const Tensor& x, const Tensor& read, const LinearMap& map, at::ScalarType type) {
  const Tensor low = linear(read, map.adapter.A, {}, type);
  return at::add(linear(x, map.weight, map.bias, type), linear(low, map.adapter.B, {}, type),
                 map.adapter.scale);
}

Tensor adapted(const Tensor& x, const Tensor& read, const LinearMap& map, at::ScalarType type) {
  constexpr std::int64_t kFewestRows = 16;
  const bool fast = x.is_cpu() && kernel::cpu_kernels() != nullptr && type != at::kDouble &&
                    x.numel() >= kFewestRows * x.size(-1);
  if (!fast) return adapted_written_out(x, read, map, type);
  const LinearMap in = map.to(type);
  return Adapted::apply(x, read.is_same(x) ? std::nullopt : std::optional(read), in.weight,
                        in.bias.defined() ? std::optional(in.bias) : std::nullopt, in.adapter.A, in.adapter.B,
                        in.adapter.scale);
}

Tensor effective_weight(const LinearMap& map) {
  const auto& [A, B, scale, dropout, site] = map.adapter;
  if (!A.defined()) return map.weight;
  return map.weight + at::mm(B.to(map.weight.scalar_type()), A.to(map.weight.scalar_type())) * scale;
}

}  // namespace kablate
