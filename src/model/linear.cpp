#include "model/linear.h"

#include <optional>
#include <string_view>

#include <ATen/ATen.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

using OneDnnLinear = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&, std::string_view,
                            c10::List<std::optional<at::Scalar>>, std::optional<std::string_view>);

// LibTorch offers oneDNN's float32 products of ordinary tensors by this operator alone, which torch.compile
// calls; null in a LibTorch that was built without oneDNN.
const c10::TypedOperatorHandle<OneDnnLinear>* onednn_linear() {
  static const auto found = []() -> std::optional<c10::TypedOperatorHandle<OneDnnLinear>> {
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema || !at::hasMKLDNN()) return std::nullopt;
    return schema->typed<OneDnnLinear>();
  }();
  return found ? &*found : nullptr;
}

constexpr std::int64_t kFewestRows = 16;

bool by_onednn(const Tensor& left, const Tensor& right) {
  return left.is_cpu() && kernel::cpu_kernels() != nullptr && left.scalar_type() == at::kFloat &&
         right.scalar_type() == at::kFloat && left.numel() >= kFewestRows * left.size(-1) &&
         onednn_linear() != nullptr;
}

// left·rightᵀ + bias
Tensor onednn(const Tensor& left, const Tensor& right, const Tensor& bias) {
  return onednn_linear()->call(left, right, bias.defined() ? std::optional(bias) : std::nullopt, "none",
                               c10::List<std::optional<at::Scalar>>(), std::nullopt);
}

struct Linear : torch::autograd::Function<Linear> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& weight,
                        const std::optional<Tensor>& bias) {
    ctx->save_for_backward({x, weight});
    ctx->saved_data["bias"] = bias.has_value();
    auto sizes = x.sizes().vec();
    sizes.back() = weight.size(0);
    return linear_values(x.reshape({-1, x.size(-1)}), weight, bias.value_or(Tensor())).view(sizes);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of a linear layer has no gradient");
    const auto saved = ctx->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const Tensor grad_output_MN = grad_outputs[0].reshape({-1, weight.size(0)});
    variable_list gradients(3);
    if (ctx->needs_input_grad(0))
      gradients[0] = linear_input_gradient(grad_output_MN, weight).view(x.sizes());
    if (ctx->needs_input_grad(1))
      gradients[1] = linear_weight_gradient(grad_output_MN, x.reshape({-1, x.size(-1)}));
    if (ctx->saved_data["bias"].toBool()) gradients[2] = grad_output_MN.sum(0);
    return gradients;
  }
};

// One row on a CPU: the product for many rows reads bfloat16's weights to lay them out anew first (decoding
// with 30 million of them took 11.0 ms a token, and takes 7.5).
bool by_vector(const Tensor& x, const Tensor& map) {
  return x.is_cpu() && map.dim() == 2 && x.numel() == x.size(-1) && !at::GradMode::is_enabled();
}

Tensor vector_product(const Tensor& x, const Tensor& map, const Tensor& bias) {
  auto sizes = x.sizes().vec();
  sizes.back() = map.size(0);
  const Tensor row = x.reshape({-1});
  return (bias.defined() ? at::addmv(bias, map, row) : at::mv(map, row)).view(sizes);
}

}  // namespace

Tensor linear_values(const Tensor& x_MK, const Tensor& weight_NK, const Tensor& bias_N) {
  return by_onednn(x_MK, weight_NK) ? onednn(x_MK, weight_NK, bias_N) : at::linear(x_MK, weight_NK, bias_N);
}

Tensor linear_input_gradient(const Tensor& grad_output_MN, const Tensor& weight_NK) {
  return by_onednn(grad_output_MN, weight_NK) ? onednn(grad_output_MN, weight_NK.t(), {})
                                              : at::mm(grad_output_MN, weight_NK);
}

Tensor linear_weight_gradient(const Tensor& grad_output_MN, const Tensor& x_MK) {
  // Both sides lie the wrong way for oneDNN, which turns them first: worth it where the product is large.
  constexpr std::int64_t kWorthTurning = 1 << 18;
  const bool worth = grad_output_MN.size(1) * x_MK.size(1) >= kWorthTurning;
  return worth && by_onednn(grad_output_MN, x_MK) ? onednn(grad_output_MN.t(), x_MK.contiguous().t(), {})
                                                  : at::mm(grad_output_MN.t(), x_MK);
}

Tensor linear(const Tensor& x, const Tensor& weight, const Tensor& bias, at::ScalarType type) {
  const Tensor in = x.to(type), map = weight.to(type), add = bias.defined() ? bias.to(type) : bias;
  if (by_vector(in, map)) return vector_product(in, map, add);
  const bool rows = in.dim() > 1 && map.dim() == 2 && in.numel() >= kFewestRows * in.size(-1);
  if (!rows || !by_onednn(in, map)) return at::linear(in, map, add);
  return Linear::apply(in, map, add.defined() ? std::optional(add) : std::nullopt);
}

}  // namespace kablate
