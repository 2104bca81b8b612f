#include "model/loss.h"

#include <algorithm>
#include <limits>
#include <optional>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "data/batch.h"
#include "model/linear.h"
#include "shape/policy.h"

namespace kablate {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Logits [..., V] with that of `never` at minus infinity, where there is such an id.
Tensor without(const Tensor& logits, std::int64_t never) {
  if (never < 0) return logits;
  return logits.index_fill(-1, at::tensor({never}, at::kLong).to(logits.device()),
                           -std::numeric_limits<double>::infinity());
}

// Some rows of the head: their summed loss and, where it is wanted, the gradient of the mean over `counted`.
class Piece {
 public:
  // `weights` of the targets' losses [N], undefined: 1.
  Piece(const Tensor& x_NE, const Tensor& weight_VE, const Tensor& targets_N, const Tensor& weights_N,
        std::int64_t never)
      : x_(x_NE), weight_(weight_VE), ignored_N1_(targets_N.eq(kIgnoreIndex).unsqueeze(1)) {
    targets_N1_ = targets_N.unsqueeze(1).masked_fill(ignored_N1_, 0);
    log_p_NV_ =
        without(linear_values(x_, weight_, {}).to(statistics_type(x_.scalar_type())), never).log_softmax(1);
    if (weights_N.defined()) weights_N1_ = weights_N.unsqueeze(1).to(log_p_NV_.scalar_type());
  }

  Tensor summed() const {
    const Tensor said_N1 = log_p_NV_.gather(1, targets_N1_).masked_fill(ignored_N1_, 0);
    return -(weights_N1_.defined() ? said_N1 * weights_N1_ : said_N1).sum();
  }

  // Writes the gradient of x and adds that of W, where it is wanted; the logarithms are gone then.
  void add_gradients(double counted, const Tensor& of_x_NE, const Tensor& of_weight_VE) {
    log_p_NV_.exp_().scatter_add_(1, targets_N1_, at::full_like(targets_N1_, -1, log_p_NV_.options()));
    if (weights_N1_.defined()) log_p_NV_.mul_(weights_N1_);
    const Tensor grad_output_NV = log_p_NV_.div_(counted).masked_fill_(ignored_N1_, 0).to(x_.scalar_type());
    of_x_NE.copy_(linear_input_gradient(grad_output_NV, weight_));
    if (of_weight_VE.defined()) of_weight_VE.add_(linear_weight_gradient(grad_output_NV, x_));
  }

 private:
  Tensor x_, weight_, ignored_N1_, targets_N1_, weights_N1_, log_p_NV_;
};

struct PiecedCrossEntropy : torch::autograd::Function<PiecedCrossEntropy> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x_NE, const Tensor& weight_VE,
                        const Tensor& targets_N, const std::optional<Tensor>& given_N, std::int64_t rows,
                        std::int64_t never, bool gradients) {
    const Tensor weight = weight_VE.to(x_NE.scalar_type()), weights_N = given_N.value_or(Tensor());
    const double counted = counted_targets(targets_N, weights_N).sum().item<double>();
    Tensor of_x, of_weight, sum = at::zeros({}, x_NE.options().dtype(at::kDouble));
    if (gradients) {
      of_x = at::empty_like(x_NE);
      if (weight_VE.requires_grad()) of_weight = at::zeros_like(weight_VE);
    }
    for (std::int64_t first = 0; first < x_NE.size(0); first += rows) {
      const auto count = std::min(rows, x_NE.size(0) - first);
      Piece piece(x_NE.narrow(0, first, count), weight, targets_N.narrow(0, first, count),
                  weights_N.defined() ? weights_N.narrow(0, first, count) : weights_N, never);
      sum += piece.summed().to(at::kDouble);
      if (gradients) piece.add_gradients(counted, of_x.narrow(0, first, count), of_weight);
    }
    if (gradients) ctx->save_for_backward({of_x, of_weight});
    return (sum / counted).to(statistics_type(x_NE.scalar_type()));
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of a loss in pieces has no gradient");
    TORCH_CHECK(!ctx->saved_data.count("asked"), "the gradient of a loss in pieces can be asked for once");
    ctx->saved_data["asked"] = true;
    const auto gradients = ctx->get_saved_variables();
    const auto scaled = [&](const Tensor& x) { return x.defined() ? x.mul_(grad_outputs[0]) : x; };
    return {scaled(gradients[0]), scaled(gradients[1]), {}, {}, {}, {}, {}};
  }
};

// -log p of each target, 0 where there is none, times its weight: [B, T].
Tensor weighted_losses(const Tensor& logits_BTV, const Tensor& targets_BT, const Tensor& weights_BT) {
  const Tensor losses_BT =
      at::cross_entropy_loss(logits_BTV.flatten(0, 1).to(statistics_type(logits_BTV.scalar_type())),
                             targets_BT.flatten(), {}, at::Reduction::None, kIgnoreIndex)
          .view(targets_BT.sizes());
  return weights_BT.defined() ? losses_BT * weights_BT : losses_BT;
}

}  // namespace

Tensor counted_targets(const Tensor& targets, const Tensor& weights) {
  const Tensor labelled = targets.ne(kIgnoreIndex);
  return weights.defined() ? labelled * weights : labelled;
}

Tensor Head::logits() const { return without(linear(values_BTE, weight_VE, {}, type), never); }

Head at_places(const Head& head, const Tensor& places_M) {
  Head some = head;
  some.values_BTE = head.values_BTE.flatten(0, 1).index_select(0, places_M).unsqueeze(0);
  return some;
}

void for_logits(const Head& head, const std::function<void(std::int64_t, const Tensor&)>& use) {
  const Tensor values_NE = head.values_BTE.flatten(0, 1);
  const auto N = values_NE.size(0), most = head_rows(N, head.weight_VE.size(0), head.limits);
  Head some = head;
  for (std::int64_t first = 0; first < N; first += most) {
    some.values_BTE = values_NE.narrow(0, first, std::min(most, N - first)).unsqueeze(0);
    use(first, some.logits()[0]);
  }
}

Tensor cross_entropy(const Tensor& logits_BTV, const Tensor& targets_BT, const Tensor& weights_BT) {
  if (weights_BT.defined())
    return weighted_losses(logits_BTV, targets_BT, weights_BT).sum() /
           counted_targets(targets_BT, weights_BT).sum();
  return at::cross_entropy_loss(logits_BTV.flatten(0, 1).to(statistics_type(logits_BTV.scalar_type())),
                                targets_BT.flatten(), {}, at::Reduction::Mean, kIgnoreIndex);
}

Tensor sequence_cross_entropy(const Tensor& logits_BTV, const Tensor& targets_BT, const Tensor& weights_BT) {
  return weighted_losses(logits_BTV, targets_BT, weights_BT).to(at::kDouble).sum(1) /
         counted_targets(targets_BT, weights_BT).sum(1);
}

Tensor head_cross_entropy(const Head& head, const Tensor& targets_BT, const Tensor& weights_BT) {
  const auto rows = head_rows(targets_BT.numel(), head.weight_VE.size(0), head.limits);
  return rows < targets_BT.numel() ? pieced_cross_entropy(head, targets_BT, rows, weights_BT)
                                   : cross_entropy(head.logits(), targets_BT, weights_BT);
}

Tensor pieced_cross_entropy(const Head& head, const Tensor& targets_BT, std::int64_t rows,
                            const Tensor& weights_BT) {
  const bool gradients =
      at::GradMode::is_enabled() && (head.values_BTE.requires_grad() || head.weight_VE.requires_grad());
  return PiecedCrossEntropy::apply(
      head.values_BTE.flatten(0, 1).to(head.type), head.weight_VE, targets_BT.flatten(),
      weights_BT.defined() ? std::optional(weights_BT.flatten()) : std::nullopt, rows, head.never, gradients);
}

}  // namespace kablate
