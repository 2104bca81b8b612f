#include "model/experts.h"

#include <array>
#include <string>

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

namespace kablate {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// x[there], whose gradient is read and not scattered: row i of x went to the rows back[i·k] … back[i·k + k -
// 1], so that no two threads add to one number.
struct Moved : torch::autograd::Function<Moved> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, const Tensor& there, const Tensor& back,
                        std::int64_t copies) {
    ctx->save_for_backward({back});
    ctx->saved_data["copies"] = copies;
    return x.index_select(0, there);
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& grad_outputs) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the gradient of rows that were moved has no gradient");
    const Tensor gradient = grad_outputs[0].index_select(0, ctx->get_saved_variables()[0]);
    const auto copies = ctx->saved_data["copies"].toInt();
    return {copies == 1 ? gradient : gradient.unflatten(0, {-1, copies}).sum(1), {}, {}, {}};
  }
};

// The N·k choices of N tokens, sorted by expert; choice m is that of token m ÷ k.
struct Grouping {
  Tensor order_M;                    // which choice stands in each row
  Tensor place_M;                    // in which row each choice stands
  std::vector<std::int64_t> counts;  // rows of each expert; then of what is padding
};

Grouping group(const Tensor& chosen_BTk, std::int64_t experts, const Tensor& keep_BT) {
  Tensor chosen = chosen_BTk;
  if (keep_BT.defined()) chosen = chosen.masked_fill(keep_BT.logical_not().unsqueeze(2), experts);
  const Tensor chosen_M = chosen.flatten();
  Grouping grouping;
  grouping.order_M = std::get<1>(at::sort(chosen_M, /*stable=*/true, /*dim=*/0, /*descending=*/false));
  const Tensor rows_M = at::arange(chosen_M.numel(), chosen_M.options());
  grouping.place_M = at::empty_like(rows_M).scatter_(0, grouping.order_M, rows_M);
  const Tensor all_n = at::arange(experts + 1, chosen_M.options());
  const Tensor counts = chosen_M.unsqueeze(1).eq(all_n).sum(0).cpu();
  const auto* first = counts.const_data_ptr<std::int64_t>();
  grouping.counts.assign(first, first + experts + 1);
  return grouping;
}

// Σ_k w_k·v[place of choice k] of rows v [M, C], in their type: [B, T, C]
Tensor combined(const Tensor& v_MC, const Grouping& grouping, const Tensor& weights_BTk) {
  const auto B = weights_BTk.size(0), T = weights_BTk.size(1), k = weights_BTk.size(2);
  const Tensor moved = Moved::apply(v_MC, grouping.place_M, grouping.order_M, 1);
  const Tensor weighed = moved.view({B, T, k, -1}) * weights_BTk.unsqueeze(3);
  return (k == 1 ? weighed.squeeze(2) : weighed.sum(2)).to(v_MC.scalar_type());
}

std::vector<Mlp> make_experts(const LayerSpec& layer, const ParameterSet& parameters) {
  std::vector<Mlp> experts;
  for (std::int64_t e = 0; e < layer.experts; ++e)
    experts.emplace_back(layer, parameters, "mlp.experts." + std::to_string(e) + ".");
  return experts;
}

}  // namespace

Experts::Experts(const LayerSpec& layer, const ParameterSet& parameters)
    : chosen_(layer.chosen),
      router_nE_(parameters[layer.prefix + "mlp.router.weight"]),
      experts_(make_experts(layer, parameters)) {}

Routing Experts::route(const Tensor& x_BTE, const Pass& pass) const {
  const Tensor p_BTn = at::softmax(linear(x_BTE, router_nE_, {}, statistics_type(pass)), -1);
  const Tensor chosen_BTk = chosen_of(p_BTn.detach(), chosen_);
  const Tensor of_chosen = p_BTn.gather(2, chosen_BTk);
  return {p_BTn, chosen_BTk, chosen_ == 1 ? of_chosen : of_chosen / of_chosen.sum(2, /*keepdim=*/true)};
}

Experts::Output Experts::forward(const Tensor& x_BTE, const Routing& routing, bool with_hidden,
                                 const Pass& pass) const {
  const auto n = static_cast<std::int64_t>(experts_.size());
  const Grouping grouping = group(routing.chosen_BTk, n, pass.span.keep_BT);
  const Tensor x_NE = x_BTE.to(pass.dtype).flatten(0, 1);
  const Tensor x_ME = Moved::apply(x_NE, grouping.order_M.div(chosen_, "floor"), grouping.place_M, chosen_);
  const auto blocks = x_ME.split_with_sizes(grouping.counts);
  std::vector<Tensor> u, y;
  for (std::size_t e = 0; e < experts_.size(); ++e) {
    u.push_back(experts_[e].activate(experts_[e].before_activation(blocks[e], pass)));
    y.push_back(experts_[e].output(u.back(), pass));
  }
  if (const auto padded = grouping.counts.back(); padded > 0) {
    u.push_back(at::zeros({padded, u[0].size(1)}, u[0].options().requires_grad(false)));
    y.push_back(at::zeros({padded, y[0].size(1)}, y[0].options().requires_grad(false)));
  }
  return {combined(at::cat(y), grouping, routing.weights_BTk),
          with_hidden ? combined(at::cat(u), grouping, routing.weights_BTk) : Tensor()};
}

Experts::Output Experts::written_out(const Tensor& x_BTE, const Routing& routing, const Pass& pass) const {
  Output sum;
  for (std::size_t e = 0; e < experts_.size(); ++e) {
    const Tensor here =
        routing.chosen_BTk.eq(static_cast<std::int64_t>(e)).to(routing.weights_BTk.scalar_type());
    Tensor weight_BT1 = (routing.weights_BTk * here).sum(2, /*keepdim=*/true);
    if (pass.span.keep_BT.defined()) weight_BT1 = weight_BT1 * pass.span.keep_BT.unsqueeze(2);
    const Tensor u = experts_[e].activate(experts_[e].before_activation(x_BTE, pass));
    const Tensor y_BTE = experts_[e].output(u, pass) * weight_BT1, u_BTF = u * weight_BT1;
    sum.y_BTE = e == 0 ? y_BTE : sum.y_BTE + y_BTE;
    sum.u_BTF = e == 0 ? u_BTF : sum.u_BTF + u_BTF;
  }
  return {sum.y_BTE.to(pass.dtype), sum.u_BTF.to(pass.dtype)};
}

std::vector<Tensor> Experts::parameters() const {
  std::vector<Tensor> all;
  for (const auto& expert : experts_)
    for (const auto& tensor : expert.parameters()) all.push_back(tensor);
  return all;
}

// The dimensions B and T. To LibTorch 2.11 {0, 1} in their place could also be names.
constexpr std::array<std::int64_t, 2> kTokens{0, 1};

// argmax gives the first of equal numbers, on every device.
Tensor chosen_of(const Tensor& p, std::int64_t count) {
  const Tensor first = p.argmax(-1, /*keepdim=*/true);
  if (count == 1) return first;
  return at::cat({first, p.scatter(-1, first, -1).argmax(-1, /*keepdim=*/true)}, -1);
}

Tensor loads_of(const Routing& routing, const Tensor& keep_BT) {
  const auto n = routing.p_BTn.size(2);
  const Tensor all_n = at::arange(n, routing.chosen_BTk.options());
  Tensor held_BTn = routing.chosen_BTk.unsqueeze(3).eq(all_n).any(2);
  if (keep_BT.defined()) held_BTn = held_BTn.logical_and(keep_BT.unsqueeze(2));
  const Tensor counts_n = held_BTn.sum(at::IntArrayRef(kTokens)).to(routing.p_BTn.scalar_type());
  return counts_n / counts_n.sum();
}

Tensor balance_of(const Routing& routing, const Tensor& keep_BT) {
  const Tensor& p_BTn = routing.p_BTn;
  Tensor mean_n;
  if (keep_BT.defined()) {
    const Tensor kept_BT1 = keep_BT.unsqueeze(2).to(p_BTn.scalar_type());
    mean_n = (p_BTn * kept_BT1).sum(at::IntArrayRef(kTokens)) / kept_BT1.sum();
  } else {
    mean_n = p_BTn.mean(at::IntArrayRef(kTokens));
  }
  const Tensor balance = (loads_of(routing, keep_BT) * mean_n).sum() * static_cast<double>(p_BTn.size(2));
  // Where all experts are chosen it is 1 whatever p is, and its gradient nothing but rounding.
  return routing.chosen_BTk.size(2) == p_BTn.size(2) ? balance.detach() : balance;
}

}  // namespace kablate
