#include "support/engine/attention_rounding.h"

#include <cmath>
#include <limits>

#include <ATen/core/grad_mode.h>

namespace kablate {
namespace {

using at::Tensor;

Tensor heads_first(const Tensor& x_BTHD) { return x_BTHD.detach().transpose(1, 2); }
Tensor turned(const Tensor& x) { return x.transpose(-1, -2); }

// Of the variances of all numbers, and of rounding the numbers themselves.
double deviation(const Tensor& variance, const Tensor& result, double r) {
  return std::sqrt((variance + result.square() * (r * r)).sum().item<double>());
}

}  // namespace

AttentionRounding attention_rounding(const AttentionCase& c, double r) {
  const at::NoGradGuard no_grad;
  const auto K = c.k_BTKD.size(2), group = c.q_BTHD.size(2) / K;
  const auto for_each_query = [&](const Tensor& x_BTKD) {
    return heads_first(x_BTKD.repeat_interleave(group, 2));
  };
  const auto over_group = [&](const Tensor& x_BHTD) { return x_BHTD.unflatten(1, {K, group}).sum(2); };
  const Tensor q = heads_first(c.q_BTHD), k = for_each_query(c.k_BTKD), v = for_each_query(c.v_BTKC),
               above = heads_first(c.above_BTHC);
  const auto T = q.size(2);
  const Tensor raw = at::matmul(q, turned(k)) * c.scale;
  const Tensor band = at::ones({T, T}, at::kDouble).tril(0).triu(-c.reciprocal.window) * c.reciprocal.alpha;
  const Tensor all = at::ones({T, T}, at::kBool), future = c.causal ? all.triu(1) : all.logical_not();
  const Tensor scores =
      (raw + turned(raw) * band).masked_fill(future, -std::numeric_limits<double>::infinity());
  const Tensor p = at::softmax(scores, -1), kept = c.kept_BHTT.defined() ? c.kept_BHTT : at::ones_like(p);
  const Tensor dropped = p * kept, o = at::matmul(dropped, v), dp = at::matmul(above, turned(v)) * kept;
  const Tensor delta = (above * o).sum(-1, true);
  Tensor ds = p * (dp - delta);
  if (c.rows_above_BHTT.defined()) ds = ds + p * (c.rows_above_BHTT - (p * c.rows_above_BHTT).sum(-1, true));

  const double rr = r * r;
  const Tensor delta_variance = ((p * dp).square().sum(-1, true) + (above * o).square().sum(-1, true)) * rr;
  // With the reciprocal term a score's gradient also goes to its mirror image.
  const auto with_mirror = [&](const Tensor& x) { return x + turned(x * band); };
  const Tensor of_raw = with_mirror(ds), variance_of_raw = of_raw.square() * rr;
  const Tensor mirrored_variance = turned((p * band).square() * delta_variance);
  const double ss = c.scale * c.scale;
  const Tensor q_variance = (at::matmul(variance_of_raw + mirrored_variance, k.square()) +
                             delta_variance * at::matmul(p, k).square()) *
                            ss;
  const Tensor k_variance =
      at::matmul(turned(variance_of_raw + p.square() * delta_variance), q.square()) * ss +
      at::matmul(p * band, q).square() * delta_variance * ss;
  const Tensor dq = at::matmul(of_raw, k) * c.scale, dk = at::matmul(turned(of_raw), q) * c.scale,
               dv = at::matmul(turned(dropped), above);
  return {.o = deviation(at::matmul(dropped.square(), v.square()) * rr, o, r),
          .q = deviation(q_variance, dq, r),
          .k = deviation(over_group(k_variance), over_group(dk), r),
          .v = deviation(over_group(at::matmul(turned(dropped.square()), above.square()) * rr),
                         over_group(dv), r)};
}

}  // namespace kablate
