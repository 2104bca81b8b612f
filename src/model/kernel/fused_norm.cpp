#include "model/kernel/fused_norm.h"

#include <algorithm>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "model/kernel/cpu_kernels.h"

namespace kablate {
namespace {

using kernel::NormForward;
using kernel::NormProblem;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// The kernels' element types.
bool has_kernels(at::ScalarType type) { return type == at::kFloat || type == at::kBFloat16; }

bool serves_norm(const Tensor& x, const Tensor& added, at::ScalarType type) {
  return x.is_cpu() && x.scalar_type() == at::kFloat && has_kernels(type) && x.numel() > 0 &&
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

// What both passes know beside the tensors.
struct NormCall {
  std::int64_t E = 0;
  bool rms = false, has_added = false;
  double epsilon = 0;
  at::ScalarType added = at::kFloat;

  // Kept for the backward pass.
  c10::IValue to_value() const {
    return c10::ivalue::Tuple::create(
        std::vector<c10::IValue>{E, rms, has_added, epsilon, static_cast<std::int64_t>(added)});
  }
  static NormCall from_value(const c10::IValue& value) {
    const auto& parts = value.toTupleRef().elements();
    return {parts[0].toInt(), parts[1].toBool(), parts[2].toBool(), parts[3].toDouble(),
            static_cast<at::ScalarType>(parts[4].toInt())};
  }
};

const float* numbers(const std::optional<Tensor>& x) { return x ? x->const_data_ptr<float>() : nullptr; }

NormProblem norm_problem(const NormCall& call, const std::optional<Tensor>& weight,
                         const std::optional<Tensor>& bias, at::ScalarType normed) {
  return {.E = call.E,
          .epsilon = static_cast<float>(call.epsilon),
          .rms = call.rms,
          .added_bfloat16 = call.added == at::kBFloat16,
          .normed_bfloat16 = normed == at::kBFloat16,
          .weight = numbers(weight),
          .bias = numbers(bias)};
}

std::int64_t row_count(const Tensor& x) { return x.numel() / x.size(-1); }

struct AddNorm : torch::autograd::Function<AddNorm> {
  static variable_list forward(AutogradContext* ctx, const Tensor& x, const std::optional<Tensor>& added,
                               const std::optional<Tensor>& weight, const std::optional<Tensor>& bias,
                               const NormCall& call, at::ScalarType type) {
    const auto problem = norm_problem(call, weight, bias, type);
    const Tensor sum = added ? at::empty_like(x) : x, normed = at::empty_like(x, type),
                 statistics = at::empty({row_count(x), 2}, x.options());
    const NormForward out{.x = x.const_data_ptr<float>(),
                          .added = added ? added->const_data_ptr() : nullptr,
                          .sum = added ? sum.mutable_data_ptr<float>() : nullptr,
                          .normed = normed.mutable_data_ptr(),
                          .statistics = statistics.mutable_data_ptr<float>()};
    Pieces(row_count(x)).run([&](std::int64_t, std::int64_t first, std::int64_t count) {
      kernel::cpu_kernels()->norm(problem, out, first, count);
    });
    ctx->save_for_backward({sum, statistics, weight.value_or(Tensor())});
    ctx->saved_data["call"] = call.to_value();
    ctx->saved_data["has_bias"] = bias.has_value();
    ctx->set_materialize_grads(false);
    return {sum, normed};
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of a norm has no gradient");
    const auto saved = ctx->get_saved_variables();
    const auto call = NormCall::from_value(ctx->saved_data["call"]);
    const bool apart = call.has_added && call.added != at::kFloat;
    Tensor x, added, weight, bias;
    if (grad_outputs[1].defined()) {
      run_backward(saved, call, grad_outputs, apart, {x, added, weight, bias});
    } else if (grad_outputs[0].defined()) {  // nothing read the norm
      x = grad_outputs[0];
      if (apart) added = x.to(call.added);
    }
    if (call.has_added && !apart) added = x;
    if (!ctx->saved_data["has_bias"].toBool()) bias.reset();
    return {x, added, weight, bias, {}, {}};
  }

 private:
  struct Gradients {
    Tensor &x, &added, &weight, &bias;
  };

  static void run_backward(const variable_list& saved, const NormCall& call,
                           const variable_list& grad_outputs, bool apart, const Gradients& gradients) {
    const Tensor &sum = saved[0], &weight = saved[2];
    const Tensor normed = grad_outputs[1].contiguous();
    const Tensor straight = grad_outputs[0].defined() ? grad_outputs[0].contiguous() : Tensor();
    const Pieces pieces(row_count(sum));
    Tensor parts;  // of the parameters' gradients
    if (weight.defined()) parts = at::zeros({pieces.count(), 2, call.E}, sum.options());
    gradients.x = at::empty_like(sum);
    if (apart) gradients.added = at::empty_like(sum, call.added);
    const auto problem =
        norm_problem(call, weight.defined() ? std::optional(weight) : std::nullopt, {}, normed.scalar_type());
    pieces.run([&](std::int64_t piece, std::int64_t first, std::int64_t count) {
      float* part = parts.defined() ? parts.mutable_data_ptr<float>() + piece * 2 * call.E : nullptr;
      kernel::cpu_kernels()->norm_gradient(
          problem,
          {.sum = sum.const_data_ptr<float>(),
           .statistics = saved[1].const_data_ptr<float>(),
           .normed_gradient = normed.const_data_ptr(),
           .sum_gradient = straight.defined() ? straight.const_data_ptr<float>() : nullptr,
           .x_gradient = gradients.x.mutable_data_ptr<float>(),
           .added_gradient = apart ? gradients.added.mutable_data_ptr() : nullptr,
           .weight_gradient = part,
           .bias_gradient = part == nullptr ? nullptr : part + call.E},
          first, count);
    });
    if (!parts.defined()) return;
    const Tensor all = parts.sum(0);
    gradients.weight = all[0];
    gradients.bias = all[1];
  }
};

NormedSum written_out(const Tensor& x, const Tensor& added, const NormFunction& norm, at::ScalarType type) {
  const Tensor sum = added.defined() ? x + added : x;
  const auto E = sum.size(-1);
  const auto given = [](const Tensor& t) { return t.defined() ? std::optional(t) : std::nullopt; };
  return {sum, norm.kind == NormKind::kRmsNorm
                   ? at::rms_norm(sum, {E}, given(norm.weight), norm.epsilon).to(type)
                   : at::layer_norm(sum, {E}, given(norm.weight), given(norm.bias), norm.epsilon).to(type)};
}

}  // namespace

NormedSum add_norm(const Tensor& x, const Tensor& added, const NormFunction& norm, at::ScalarType type) {
  const auto E = x.size(-1);
  for (const auto* parameter : {&norm.weight, &norm.bias})
    TORCH_CHECK(!parameter->defined() || parameter->sizes() == at::IntArrayRef{E}, "a norm of x ", x.sizes(),
                " wants a weight and a bias of its last dimension, not ", parameter->sizes());
  TORCH_CHECK(norm.weight.defined() || !norm.bias.defined(), "a norm has a bias beside a weight alone");
  TORCH_CHECK(norm.kind == NormKind::kLayerNorm || !norm.bias.defined(), "RMSNorm has no bias");
  TORCH_CHECK(!added.defined() || added.sizes() == x.sizes(), "a norm's x ", x.sizes(),
              " and what is added to it, ", added.defined() ? added.sizes() : x.sizes(),
              ", must have one shape");
  const Tensor wide = x.to(statistics_type(x.scalar_type()));
  if (!serves_norm(wide, added, type)) return written_out(wide, added, norm, type);
  const auto together = [](const Tensor& t) {
    return t.defined() ? std::optional(t.contiguous()) : std::nullopt;
  };
  const NormCall call{E, norm.kind == NormKind::kRmsNorm, added.defined(), norm.epsilon,
                      added.defined() ? added.scalar_type() : at::kFloat};
  const auto outputs = AddNorm::apply(wide.contiguous(), together(added), together(norm.weight),
                                      together(norm.bias), call, type);
  return {outputs[0], outputs[1]};
}

}  // namespace kablate
