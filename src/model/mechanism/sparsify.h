// Which entries of a routing row are kept (spec, section 3, mechanism 2).
#pragma once

#include "config/model_options.h"
#include "model/dims.h"
#include "model/pass.h"

namespace kablate {

// R [..., T, T], 0 where the span lets t not see s, becomes the kept entries, zero elsewhere, divided by the
// row's kept sum where `normalize` says so (a sum below 1e-8 counts as 1e-8; `none` keeps rows that sum to 1
// already). Gradient flows through the kept values, not through the selection.
Tensor sparsify(const Tensor& routing_TT, const CrossTokenConfig& config, const Span& span = {});

// Rows [..., k] divided by their sums, each at least 1e-8.
Tensor normalize_rows(const Tensor& kept);

// The same as sparsify() for the last row alone, [..., t]: that of a token that sees t of them.
Tensor sparsify_row(const Tensor& row_t, const CrossTokenConfig& config);

// 1 at the k largest entries of each row [..., T], 0 elsewhere; of equal entries the lower column wins.
Tensor top_k_mask(const Tensor& rows, std::int64_t k);            // on the CPU a selection in linear time
Tensor top_k_mask_reference(const Tensor& rows, std::int64_t k);  // by a stable sort, on any device

// 1 where w >= τ·√(mean over the s that the row sees of w²), 0 elsewhere; rows [..., T, T].
Tensor rms_mask(const Tensor& routing_TT, double threshold, const Span& span = {});
Tensor rms_mask_row(const Tensor& row_t, double threshold);  // the last row alone

}  // namespace kablate
