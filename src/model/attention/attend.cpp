#include "model/attention/attend.h"

#include <limits>

#include <ATen/ATen.h>

#include "model/kernel/fused_attention.h"
#include "shape/policy.h"

namespace kablate {
namespace {

// [T, T]: 0 where s <= t, -inf elsewhere.
Tensor causal_bias(std::int64_t T, const at::TensorOptions& options) {
  return at::full({T, T}, -std::numeric_limits<double>::infinity(), options.requires_grad(false)).triu(1);
}

// Z[b,h,t,s] = scale · Σ_d q[b,t,h,d] k[b,s,h,d] + α·(band ⊙ Zᵀ) + bias
Tensor reciprocal_scores(const Tensor& q_BHTD, const Tensor& k_BHTD, double scale,
                         const Reciprocal& reciprocal, const Pass& pass) {
  const auto type = statistics_type(pass);
  const Tensor raw_BHTT = at::matmul(q_BHTD, k_BHTD.transpose(-1, -2)).to(type) * scale;
  const std::int64_t T = raw_BHTT.size(-1);
  const Tensor band_TT =
      at::ones({T, T}, raw_BHTT.options()).tril(0).triu(-reciprocal.window) * reciprocal.alpha;
  return raw_BHTT + raw_BHTT.transpose(-1, -2) * band_TT + causal_bias(T, raw_BHTT.options());
}

// The mask goes in with the product: one pass over [B, H, T, T] less than adding it afterwards.
Tensor plain_scores(const Tensor& q_BHTD, const Tensor& k_BHTD, double scale) {
  const auto B = q_BHTD.size(0), H = q_BHTD.size(1), T = q_BHTD.size(2), D = q_BHTD.size(3);
  const Tensor z = at::baddbmm(causal_bias(T, q_BHTD.options()).unsqueeze(0), q_BHTD.reshape({B * H, T, D}),
                               k_BHTD.reshape({B * H, T, D}).transpose(1, 2), /*beta=*/1, /*alpha=*/scale);
  return z.view({B, H, T, T});
}

bool kernels_serve(const Tensor& q, const Pass& pass) {
  const bool drops = !pass.dropout.active() || drops_in_kernels(q.size(2), q.size(1));
  return drops && fused_attention_serves(q);
}

// Its dropout has random numbers of its own, and it knows no reciprocal term.
bool library_serves(const Tensor& q, const Reciprocal& reciprocal, const Pass& pass) {
  return q.scalar_type() != at::kDouble && reciprocal.alpha == 0 && !pass.dropout.active();
}

// The heads by LibTorch, in the same way whether rows are asked for or not; the rows' scores in float32.
Attended attend_by_library(const Tensor& q_BTHD, const Tensor& k_BTHD, const Tensor& v_BTHD, double scale,
                           const RowsRequest& rows) {
  const Tensor q_BHTD = q_BTHD.transpose(1, 2), k_BHTD = k_BTHD.transpose(1, 2);
  const Tensor o_BHTD =
      at::scaled_dot_product_attention(q_BHTD, k_BHTD, v_BTHD.transpose(1, 2), /*attn_mask=*/{},
                                       /*dropout_p=*/0, /*is_causal=*/true, scale);
  Attended attended{.values_BTHD = o_BHTD.transpose(1, 2), .rows = {}};
  if (!rows.wanted) return attended;
  attended.rows.by_head_BHTT =
      at::softmax(plain_scores(q_BHTD.to(at::kFloat), k_BHTD.to(at::kFloat), scale), -1);
  return attended;
}

}  // namespace

Attended attend_written_out(const Tensor& q_BTHD, const Tensor& k_BTHD, const Tensor& v_BTHD, double scale,
                            const Reciprocal& reciprocal, const std::string& site, const Pass& pass) {
  const Tensor q_BHTD = q_BTHD.transpose(1, 2), k_BHTD = k_BTHD.transpose(1, 2),
               v_BHTD = v_BTHD.transpose(1, 2);
  const Tensor z_BHTT = reciprocal.alpha > 0 ? reciprocal_scores(q_BHTD, k_BHTD, scale, reciprocal, pass)
                                             : plain_scores(q_BHTD, k_BHTD, scale);
  const Tensor p_BHTT = at::softmax(z_BHTT, -1, statistics_type(pass));
  const Tensor dropped_BHTT = pass.dropout.apply(p_BHTT, site);
  const Tensor o_BHTD = at::matmul(dropped_BHTT.to(pass.dtype), v_BHTD);
  Attended attended{.values_BTHD = o_BHTD.transpose(1, 2), .rows = {}};
  attended.rows.by_head_BHTT = p_BHTT;
  return attended;
}

Attended attend(const Tensor& q_BTHD, const Tensor& k_BTHD, const Tensor& v_BTHD, double scale,
                const Reciprocal& reciprocal, const RowsRequest& rows, const std::string& site,
                const Pass& pass) {
  if (kernels_serve(q_BTHD, pass))
    return fused_attention(q_BTHD, k_BTHD, v_BTHD, scale, reciprocal, rows, pass.dropout, site);
  if (library_serves(q_BTHD, reciprocal, pass)) return attend_by_library(q_BTHD, k_BTHD, v_BTHD, scale, rows);
  return attend_written_out(q_BTHD, k_BTHD, v_BTHD, scale, reciprocal, site, pass);
}

Attended attend(const Tensor& qkv_BT3HD, double scale, const RowsRequest& rows, const std::string& site,
                const Pass& pass) {
  const Tensor q_BTHD = qkv_BT3HD.select(2, 0);
  if (kernels_serve(q_BTHD, pass)) return fused_attention(qkv_BT3HD, scale, rows, pass.dropout, site);
  return attend(q_BTHD, qkv_BT3HD.select(2, 1), qkv_BT3HD.select(2, 2), scale, {}, rows, site, pass);
}

}  // namespace kablate
