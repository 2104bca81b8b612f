#include "model/mechanism/sparsify.h"

#include <algorithm>
#include <functional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>

namespace kablate {
namespace {

// All entries above the k-th largest, then as many equal to it as there is room for, from the left.
template <typename Value>
void select_row(const Value* row, std::int64_t size, std::int64_t k, std::vector<Value>& scratch,
                Value* mask) {
  scratch.assign(row, row + size);
  std::nth_element(scratch.begin(), scratch.begin() + (k - 1), scratch.end(), std::greater<Value>());
  const Value least = scratch[static_cast<std::size_t>(k - 1)];
  std::int64_t room = k - std::count_if(row, row + size, [&](Value w) { return w > least; });
  for (std::int64_t s = 0; s < size; ++s) mask[s] = row[s] > least || (row[s] == least && room-- > 0) ? 1 : 0;
}

Tensor keep(const Tensor& routing, const Tensor& mask, const CrossTokenConfig& config) {
  const Tensor kept = routing * mask;
  return config.normalize ? normalize_rows(kept) : kept;
}

}  // namespace

Tensor normalize_rows(const Tensor& kept) {
  constexpr double kFloor = 1e-8;
  return kept / kept.sum(-1, /*keepdim=*/true).clamp_min(kFloor);
}

Tensor top_k_mask_reference(const Tensor& rows, std::int64_t k) {
  const std::int64_t kept = std::min(k, rows.size(-1));
  const Tensor order = std::get<1>(at::sort(rows.detach(), /*stable=*/true, /*dim=*/-1, /*descending=*/true));
  return at::zeros_like(rows).scatter_(-1, order.narrow(-1, 0, kept), 1);
}

Tensor top_k_mask(const Tensor& rows, std::int64_t k) {
  const std::int64_t size = rows.size(-1);
  if (!rows.device().is_cpu()) return top_k_mask_reference(rows, k);
  const Tensor values = rows.detach().contiguous();
  if (k >= size) return at::ones_like(values);
  Tensor mask = at::empty_like(values);
  AT_DISPATCH_FLOATING_TYPES(values.scalar_type(), "top_k_mask", [&] {
    const auto* in = values.const_data_ptr<scalar_t>();
    auto* out = mask.data_ptr<scalar_t>();
    at::parallel_for(0, values.numel() / size, 64, [&](std::int64_t begin, std::int64_t end) {
      std::vector<scalar_t> scratch;
      for (auto row = begin; row < end; ++row)
        select_row(in + row * size, size, k, scratch, out + row * size);
    });
  });
  return mask;
}

Tensor rms_mask(const Tensor& routing_TT, double threshold, const Span& span) {
  const Tensor w = routing_TT.detach();
  Tensor seen = span.visible(w.size(-1), w.options());
  if (w.dim() == 4) seen = seen.unsqueeze(1);
  const Tensor rms_T1 = (w.square().sum(-1, /*keepdim=*/true) / seen.sum(-1, /*keepdim=*/true)).sqrt();
  return w.ge(rms_T1 * threshold).to(w.scalar_type()) * seen;
}

Tensor rms_mask_row(const Tensor& row_t, double threshold) {
  const Tensor rms = row_t.square().mean(-1, /*keepdim=*/true).sqrt();
  return row_t.ge(rms * threshold).to(row_t.scalar_type());
}

Tensor sparsify(const Tensor& routing_TT, const CrossTokenConfig& config, const Span& span) {
  if (config.sparsity == Sparsity::kNone) return routing_TT;
  const Tensor mask = config.sparsity == Sparsity::kTopK ? top_k_mask(routing_TT, config.top_k)
                                                         : rms_mask(routing_TT, config.rms_threshold, span);
  return keep(routing_TT, mask, config);
}

Tensor sparsify_row(const Tensor& row_t, const CrossTokenConfig& config) {
  if (config.sparsity == Sparsity::kNone) return row_t;
  const Tensor mask = config.sparsity == Sparsity::kTopK ? top_k_mask(row_t, config.top_k)
                                                         : rms_mask_row(row_t, config.rms_threshold);
  return keep(row_t, mask, config);
}

}  // namespace kablate
