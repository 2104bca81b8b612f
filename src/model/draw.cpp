#include "model/draw.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

namespace kablate {
namespace {

constexpr std::int64_t kAtOnce = std::int64_t{1} << 22;  // numbers: 32 MiB

Tensor draw_some(const Tensor& scores_NI, const Tensor& u_N) {
  const Tensor sums_NI = scores_NI.to(at::kDouble).softmax(1).cumsum(1);
  // Rounding may leave the last sum a little under 1: then it is the last that may be drawn.
  const Tensor last_N = sums_NI.lt(sums_NI.narrow(1, sums_NI.size(1) - 1, 1)).sum(1);
  return at::minimum(sums_NI.le(u_N.unsqueeze(1)).sum(1), last_N);
}

}  // namespace

Tensor draw_rows(const Tensor& scores_NI, const Tensor& u_N) {
  const auto N = scores_NI.size(0), rows = std::max<std::int64_t>(1, kAtOnce / scores_NI.size(1));
  if (N <= rows) return draw_some(scores_NI, u_N);
  std::vector<Tensor> places;
  for (std::int64_t first = 0; first < N; first += rows) {
    const auto count = std::min(rows, N - first);
    places.push_back(draw_some(scores_NI.narrow(0, first, count), u_N.narrow(0, first, count)));
  }
  return at::cat(places);
}

}  // namespace kablate
