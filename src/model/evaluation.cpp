#include "model/evaluation.h"

#include <algorithm>
#include <span>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "data/batch.h"

namespace kablate {

double mean_loss(const Gpt& model, const LossFunction& loss, const TokenStream& tokens,
                 const std::vector<std::int64_t>& starts, std::int64_t most, c10::Device device,
                 const std::function<void(const Batch&)>& before) {
  const at::NoGradGuard no_grad;
  const auto at_once = static_cast<std::size_t>(most);
  double total = 0;
  for (std::size_t first = 0; first < starts.size(); first += at_once) {
    const std::size_t count = std::min(at_once, starts.size() - first);
    const Batch batch = make_batch(tokens, std::span(starts).subspan(first, count), model.spec().T);
    before(batch);
    const Tensor value = loss(model.head(batch.inputs.to(device)), batch.targets.to(device));
    total += value.item<double>() * static_cast<double>(count);
  }
  return total / static_cast<double>(starts.size());
}

}  // namespace kablate
