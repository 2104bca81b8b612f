#include "generate/likeliest.h"

#include <limits>

#include <ATen/ATen.h>

namespace kablate {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();

// Without those that the likeliest before them make up `most` of the probability.
Tensor within(const Tensor& scores, double most) {
  const auto [sorted, order] = scores.softmax(-1).sort(/*stable=*/true, -1, /*descending=*/true);
  const Tensor out = sorted.cumsum(-1) - sorted >= most;
  return scores.masked_fill(at::empty_like(out).scatter_(-1, order, out), kNever);
}

}  // namespace

Tensor likeliest(const Tensor& scores, std::int64_t top_k, double top_p) {
  Tensor left = scores;
  if (top_k > 0 && top_k < scores.size(-1))
    left = left.masked_fill(left < std::get<0>(left.topk(top_k)).amin(-1, /*keepdim=*/true), kNever);
  return top_p < 1 ? within(left, top_p) : left;
}

}  // namespace kablate
