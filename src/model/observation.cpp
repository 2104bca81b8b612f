#include "model/observation.h"

#include <ATen/ATen.h>

#include "record/metrics_row.h"

namespace kablate {
namespace {

Tensor widened(const Tensor& x) { return x.scalar_type() == at::kDouble ? x : x.to(at::kFloat); }

}  // namespace

void observe_gate(const Tensor& gate_BTH, BlockObservation& seen) {
  const Tensor g = gate_BTH.to(at::kDouble);
  seen["gate_mean"] = g.mean().item<double>();
  seen["gate_sd"] = g.std(/*unbiased=*/false).item<double>();
}

// With S = Σ_s R: the distance is t - Σ_s R·s / S, and the entropy ln S - Σ_s R·ln R / S.
void observe_routing(const Tensor& routing, BlockObservation& seen) {
  const Tensor R = widened(routing);
  const Tensor places_T = at::arange(R.size(-1), R.options());
  const Tensor sum = R.sum(-1).to(at::kDouble), kept = sum.gt(0);
  // Of rows that see nothing after them the mean distance is their place less the mean place.
  const Tensor mean_place = at::matmul(R, places_T).to(at::kDouble) / sum;
  const bool ahead = R.triu(1).ne(0).any().item<bool>();
  const Tensor distance = ahead ? (R * (places_T.unsqueeze(1) - places_T).abs()).sum(-1).to(at::kDouble) / sum
                                : places_T.to(at::kDouble) - mean_place;
  const Tensor entropy = sum.log() - at::xlogy(R, R).sum(-1).to(at::kDouble) / sum;
  seen["routing_distance"] = distance.masked_select(kept).mean().item<double>();
  seen["routing_entropy"] = entropy.masked_select(kept).mean().item<double>();
}

void observe_loads(const Tensor& loads_n, BlockObservation& seen) {
  for (std::int64_t e = 0; e < loads_n.size(0); ++e)
    seen[kExpertLoad + std::to_string(e)] = loads_n[e].item<double>();
}

double relative_norm(const Tensor& part, const Tensor& whole) {
  return widened(part).norm().item<double>() / widened(whole).norm().item<double>();
}

}  // namespace kablate
