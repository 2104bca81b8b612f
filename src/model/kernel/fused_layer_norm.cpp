#include "model/kernel/fused_layer_norm.h"

#include <algorithm>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

using kernel::LayerNormBackward;
using kernel::LayerNormForward;
using kernel::LayerNormProblem;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The kernels' element types.
bool has_kernels(at::ScalarType type) { return type == at::kFloat || type == at::kBFloat16; }

bool serves(const Tensor& x, const Tensor& added, const Tensor& weight, at::ScalarType type) {
  return x.is_cpu() && weight.scalar_type() == at::kFloat && has_kernels(type) && x.numel() > 0 &&
         (!added.defined() || has_kernels(added.scalar_type())) && kernel::cpu_kernels() != nullptr;
}

// Rows in pieces whose number depends on nothing but theirs: the parameters' gradients are sums of the
// pieces', whatever the threads.
class Pieces {
 public:
  explicit Pieces(std::int64_t rows) : rows_(rows), each_(std::max(kFewest, (rows + kMost - 1) / kMost)) {}

  std::int64_t count() const { return (rows_ + each_ - 1) / each_; }

  // f(piece, first row, rows).
  template <typename Function>
  void run(const Function& f) const {
    at::parallel_for(0, count(), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = begin; i < end; ++i) f(i, i * each_, std::min(each_, rows_ - i * each_));
    });
  }

 private:
  static constexpr std::int64_t kFewest = 32, kMost = 64;
  std::int64_t rows_, each_;
};

struct Parameters {
  Tensor weight, bias;
  double epsilon = 0;
};

LayerNormProblem problem_of(const Parameters& parameters, at::ScalarType added, at::ScalarType normed) {
  return {.E = parameters.weight.numel(),
          .epsilon = static_cast<float>(parameters.epsilon),
          .added_bfloat16 = added == at::kBFloat16,
          .normed_bfloat16 = normed == at::kBFloat16,
          .weight = parameters.weight.const_data_ptr<float>(),
          .bias = parameters.bias.defined() ? parameters.bias.const_data_ptr<float>() : nullptr};
}

std::int64_t rows_of(const Tensor& x) { return x.numel() / x.size(-1); }

struct AddLayerNorm : torch::autograd::Function<AddLayerNorm> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const std::optional<Tensor>& added,
                               const Tensor& weight, const std::optional<Tensor>& bias, double epsilon,
                               at::ScalarType type) {
    const auto added_type = added ? added->scalar_type() : at::kFloat;
    const auto problem = problem_of({weight, bias.value_or(Tensor()), epsilon}, added_type, type);
    const Tensor sum = added ? at::empty_like(x) : x, normed = at::empty_like(x, type),
                 statistics = at::empty({rows_of(x), 2}, x.options());
    const LayerNormForward out{.x = x.const_data_ptr<float>(),
                               .added = added ? added->const_data_ptr() : nullptr,
                               .sum = added ? sum.mutable_data_ptr<float>() : nullptr,
                               .normed = normed.mutable_data_ptr(),
                               .statistics = statistics.mutable_data_ptr<float>()};
    Pieces(rows_of(x)).run([&](std::int64_t, std::int64_t first, std::int64_t count) {
      kernel::cpu_kernels()->layer_norm(problem, out, first, count);
    });
    ctx->save_for_backward({sum, statistics, weight});
    ctx->saved_data["added_type"] = static_cast<std::int64_t>(added_type);
    ctx->saved_data["has_added"] = added.has_value();
    ctx->saved_data["has_bias"] = bias.has_value();
    ctx->set_materialize_grads(false);
    return {sum, normed};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of a layer norm has no gradient");
    const auto saved = ctx->get_saved_variables();
    const auto added_type = static_cast<at::ScalarType>(ctx->saved_data["added_type"].toInt());
    const bool has_added = ctx->saved_data["has_added"].toBool();
    const bool apart = has_added && added_type != at::kFloat;
    Tensor x, added, weight, bias;
    if (grad_outputs[1].defined()) {
      run_backward(saved, added_type, grad_outputs, apart, {x, added, weight, bias});
    } else if (grad_outputs[0].defined()) {  // nothing read the norm
      x = grad_outputs[0];
      if (apart) added = x.to(added_type);
    }
    if (has_added && !apart) added = x;
    if (!ctx->saved_data["has_bias"].toBool()) bias.reset();
    return {x, added, weight, bias, {}, {}};
  }

 private:
  struct Gradients {
    Tensor &x, &added, &weight, &bias;
  };

  static void run_backward(const variable_list& saved, at::ScalarType added_type,
                           const variable_list& grad_outputs, bool apart, const Gradients& gradients) {
    const Tensor &sum = saved[0], &weight = saved[2];
    const Tensor normed = grad_outputs[1].contiguous();
    const Tensor straight = grad_outputs[0].defined() ? grad_outputs[0].contiguous() : Tensor();
    const Pieces pieces(rows_of(sum));
    const Tensor parts = at::zeros({pieces.count(), 2, weight.numel()}, sum.options());
    gradients.x = at::empty_like(sum);
    if (apart) gradients.added = at::empty_like(sum, added_type);
    const auto problem = problem_of({weight, {}, 0}, added_type, normed.scalar_type());
    pieces.run([&](std::int64_t piece, std::int64_t first, std::int64_t count) {
      float* part = parts.mutable_data_ptr<float>() + piece * 2 * problem.E;
      kernel::cpu_kernels()->layer_norm_gradient(
          problem,
          {.sum = sum.const_data_ptr<float>(),
           .statistics = saved[1].const_data_ptr<float>(),
           .normed_gradient = normed.const_data_ptr(),
           .sum_gradient = straight.defined() ? straight.const_data_ptr<float>() : nullptr,
           .x_gradient = gradients.x.mutable_data_ptr<float>(),
           .added_gradient = apart ? gradients.added.mutable_data_ptr() : nullptr,
           .weight_gradient = part,
           .bias_gradient = part + problem.E},
          first, count);
    });
    const Tensor all = parts.sum(0);
    gradients.weight = all[0];
    gradients.bias = all[1];
  }
};

NormedSum written_out(const Tensor& x, const Tensor& added, const Parameters& p, at::ScalarType type) {
  const Tensor sum = added.defined() ? x + added : x;
  return {sum, at::layer_norm(sum, p.weight.sizes(), p.weight, p.bias, p.epsilon).to(type)};
}

}  // namespace

NormedSum add_layer_norm(const Tensor& x, const Tensor& added, const Tensor& weight, const Tensor& bias,
                         double epsilon, at::ScalarType type) {
  TORCH_CHECK(weight.dim() == 1 && x.size(-1) == weight.size(0) &&
                  (!bias.defined() || bias.sizes() == weight.sizes()),
              "layer norm: x ", x.sizes(), " wants a weight and a bias of its last dimension, not ",
              weight.sizes());
  TORCH_CHECK(!added.defined() || added.sizes() == x.sizes(), "layer norm: x ", x.sizes(),
              " and what is added to it must have one shape");
  const Tensor wide = x.to(weight.scalar_type());
  if (!serves(wide, added, weight, type)) return written_out(wide, added, {weight, bias, epsilon}, type);
  const auto together = [](const Tensor& t) {
    return t.defined() ? std::optional(t.contiguous()) : std::nullopt;
  };
  const auto outputs = AddLayerNorm::apply(wide.contiguous(), together(added), weight.contiguous(),
                                           together(bias), epsilon, type);
  return {outputs[0], outputs[1]};
}

}  // namespace kablate
