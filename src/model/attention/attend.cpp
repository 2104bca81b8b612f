#include "model/attention/attend.h"

#include <optional>

#include <ATen/ATen.h>

#include "model/kernel/fused_attention.h"
#include "shape/policy.h"

namespace kablate {
namespace {

// Z[b,h,t,s] = scale · Σ_d q[b,t,h,d] k[b,s,h,d] + α·(band ⊙ Zᵀ) + bias
Tensor reciprocal_scores(const Tensor& q_BHTD, const Tensor& k_BHTD, double scale,
                         const Reciprocal& reciprocal, const Pass& pass) {
  const auto type = statistics_type(pass);
  const Tensor raw_BHTT = at::matmul(q_BHTD, k_BHTD.transpose(-1, -2)).to(type) * scale;
  const std::int64_t T = raw_BHTT.size(-1);
  const Tensor band_TT = at::ones({T, T}, raw_BHTT.options())
                             .tril(pass.span.causal ? 0 : reciprocal.window)
                             .triu(-reciprocal.window) *
                         reciprocal.alpha;
  return raw_BHTT + raw_BHTT.transpose(-1, -2) * band_TT + pass.span.bias(T, raw_BHTT.options()).unsqueeze(1);
}

// The mask goes in with the product: one pass over [B, H, T, T] less than adding it afterwards.
Tensor plain_scores(const Tensor& q_BHTD, const Tensor& k_BHTD, double scale, const Span& span) {
  const auto B = q_BHTD.size(0), H = q_BHTD.size(1), T = q_BHTD.size(2), D = q_BHTD.size(3);
  Tensor bias = span.bias(T, q_BHTD.options());
  if (bias.size(0) > 1) bias = bias.repeat_interleave(H, 0);
  const Tensor z = at::baddbmm(bias, q_BHTD.reshape({B * H, T, D}),
                               k_BHTD.reshape({B * H, T, D}).transpose(1, 2), /*beta=*/1, /*alpha=*/scale);
  return z.view({B, H, T, T});
}

// [B, T, K, ...] to [B, H, T, ...]: a head of keys or values for each of queries.
Tensor for_each_query_head(const Tensor& x_BTKC, std::int64_t H) {
  const auto K = x_BTKC.size(2);
  return (K == H ? x_BTKC : x_BTKC.repeat_interleave(H / K, 2)).transpose(1, 2);
}

bool kernels_serve(const AttentionInput& in, const Pass& pass) {
  const bool drops = !pass.dropout.active() || drops_in_kernels(in.q.size(2), in.q.size(1));
  const bool reciprocal = in.reciprocal.alpha > 0 && !pass.span.causal;
  return !pass.span.keep_BT.defined() && !reciprocal && drops && fused_attention_serves(in.q) &&
         fused_attention_serves(in.v);
}

// Its dropout has random numbers of its own, and it knows no reciprocal term.
bool library_serves(const AttentionInput& in, const Pass& pass) {
  return in.q.scalar_type() != at::kDouble && in.reciprocal.alpha == 0 && !pass.dropout.active();
}

// The heads by LibTorch, in the same way whether rows are asked for or not; the rows' scores in float32.
Attended attend_by_library(const AttentionInput& in, const RowsRequest& rows, const Pass& pass) {
  const auto H = in.q.size(2);
  const Tensor q_BHTD = in.q.transpose(1, 2), k_BHTD = for_each_query_head(in.k, H);
  std::optional<Tensor> mask;  // its own way of being causal where nothing else is asked
  if (pass.span.keep_BT.defined()) mask = pass.span.bias(q_BHTD.size(2), q_BHTD.options()).unsqueeze(1);
  const Tensor o_BHTC =
      at::scaled_dot_product_attention(q_BHTD, k_BHTD, for_each_query_head(in.v, H), mask, /*dropout_p=*/0,
                                       /*is_causal=*/pass.span.plainly_causal(), in.scale);
  Attended attended{.values_BTHC = o_BHTC.transpose(1, 2), .rows = {}};
  if (!rows.wanted) return attended;
  attended.rows.by_head_BHTT =
      at::softmax(plain_scores(q_BHTD.to(at::kFloat), k_BHTD.to(at::kFloat), in.scale, pass.span), -1);
  return attended;
}

}  // namespace

Attended attend_written_out(const AttentionInput& in, const Pass& pass) {
  const auto H = in.q.size(2);
  const Tensor q_BHTD = in.q.transpose(1, 2), k_BHTD = for_each_query_head(in.k, H),
               v_BHTC = for_each_query_head(in.v, H);
  const Tensor z_BHTT = in.reciprocal.alpha > 0
                            ? reciprocal_scores(q_BHTD, k_BHTD, in.scale, in.reciprocal, pass)
                            : plain_scores(q_BHTD, k_BHTD, in.scale, pass.span);
  const Tensor p_BHTT = at::softmax(z_BHTT, -1, statistics_type(pass));
  const Tensor dropped_BHTT = pass.dropout.apply(p_BHTT, in.site);
  const Tensor o_BHTC = at::matmul(dropped_BHTT.to(pass.dtype), v_BHTC);
  Attended attended{.values_BTHC = o_BHTC.transpose(1, 2), .rows = {}};
  attended.rows.by_head_BHTT = p_BHTT;
  return attended;
}

Attended attend(const AttentionInput& in, const RowsRequest& rows, const Pass& pass) {
  TORCH_CHECK(in.q.size(2) % in.k.size(2) == 0 && in.k.size(2) == in.v.size(2), "queries of ", in.q.size(2),
              " heads, keys of ", in.k.size(2), " and values of ", in.v.size(2));
  TORCH_CHECK(in.reciprocal.alpha == 0 || in.k.size(2) == in.q.size(2),
              "reciprocal attention needs a head of keys for each of queries");
  if (kernels_serve(in, pass)) return fused_attention(in, rows, pass.dropout, pass.span.causal);
  if (library_serves(in, pass)) return attend_by_library(in, rows, pass);
  return attend_written_out(in, pass);
}

}  // namespace kablate
