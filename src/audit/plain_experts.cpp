// The experts of the plain model.
#include <ATen/ATen.h>

#include "audit/plain_model.h"
#include "model/linear.h"

namespace kablate {

// The rows of each expert, one expert's after another's: products sum as the model's do only over these.
Tensor PlainModel::experts(const Tensor& x, const std::string& name, std::vector<Tensor>* balances) const {
  const auto n = c_.mlp.experts, k = c_.mlp.experts_top;
  const auto wide = statistics_type(dtype_);
  const Tensor &router = weight(name + "router.weight"),
               p = at::softmax(by_kernels_ ? kablate::linear(x, router, {}, wide)
                                           : at::linear(x.to(wide), router.to(wide)),
                               -1);
  const Tensor chosen =
                   std::get<1>(p.detach().sort(/*stable=*/true, -1, /*descending=*/true)).narrow(2, 0, k),
               flat = chosen.flatten();
  Tensor weights = p.gather(2, chosen);
  if (k > 1) weights = weights / weights.sum(2, /*keepdim=*/true);
  std::vector<Tensor> rows, blocks;
  Tensor balance = at::zeros({}, p.options());
  for (std::int64_t e = 0; e < n; ++e) {
    rows.push_back(flat.eq(e).nonzero().squeeze(1));
    const double load = static_cast<double>(rows.back().numel()) / static_cast<double>(flat.numel());
    balance = balance + static_cast<double>(n) * load * p.select(2, e).mean();
  }
  if (balances != nullptr) balances->push_back(balance);
  const Tensor order = at::cat(rows),
               sorted = x.to(dtype_).flatten(0, 1).index_select(0, order.div(k, "floor"));
  std::int64_t first = 0;
  for (std::int64_t e = 0; e < n; first += rows[static_cast<std::size_t>(e++)].numel())
    blocks.push_back(mlp(sorted.narrow(0, first, rows[static_cast<std::size_t>(e)].numel()),
                         name + "experts." + std::to_string(e) + "."));
  const Tensor y = at::cat(blocks).index_select(0, order.argsort());
  const Tensor weighed = y.view({x.size(0), x.size(1), k, -1}) * weights.unsqueeze(3);
  return (k > 1 ? weighed.sum(2) : weighed.squeeze(2)).to(dtype_);
}

Tensor PlainModel::balance(const Tensor& tokens_BT) const {
  std::vector<Tensor> balances;
  final_values(tokens_BT, &balances);
  return at::stack(balances).sum();
}

}  // namespace kablate
