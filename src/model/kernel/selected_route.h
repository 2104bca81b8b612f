// Values gathered along the selected entries of routing rows: mechanism 2 without a [T, T] matrix.
#pragma once

#include "model/dims.h"

namespace kablate {

// y[b, t] = Σ_j weights[b, t, j] · u[b, columns[b, t, j]]: weights float32 and columns int32 [B, T, k] with
// -1 behind a row's last entry, u [B, T, F] float32 or bfloat16 on the CPU; of any strides (what is not
// contiguous is copied). y like u, a tensor of its own. Gradients of weights and u. REQUIRES:
// fused_attention_serves() what the rows came from.
Tensor route_selected(const Tensor& weights_BTk, const Tensor& columns_BTk, const Tensor& u_BTF);

// The rows written out, [B, T, T] float32: what route_selected() multiplies u by.
Tensor dense_rows(const Tensor& weights_BTk, const Tensor& columns_BTk);

}  // namespace kablate
