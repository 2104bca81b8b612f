// Attention that keeps no [B, H, T, T]: the tiles of cpu_attention.h with their gradient. The plain
// reference, which it is tested against, is attend_written_out() in attention/attend.h.
#pragma once

#include "model/attention/attend.h"

namespace kablate {

// Whether these queries, or values, can go through fused_attention: float32 or bfloat16 on a CPU with AVX2
// or AVX-512, heads no wider than 256, and even in bfloat16.
bool fused_attention_serves(const Tensor& heads_BTHD);

// P over s <= t, or with `causal` false over all s. Heads of keys that several heads of queries read are
// not copied, and neither are keys and values that all heads share, expanded: their gradients are sums in
// the order of the heads. Rows have a gradient, the selection has none; asking for them changes no bit of
// the values. Weights drop out at `site` as attend_written_out()'s, rows are taken before that. REQUIRES:
// fused_attention_serves() of q and of v and, with dropout, drops_in_kernels(H, T) of shape/policy.h;
// reciprocal attention is causal. Errors against float64 of values and gradients: 1e-6 in float32 and 5e-3
// in bfloat16, relative, of a tensor's norm. Inputs may have any strides and alias each other: what the
// kernels can't read as it lies (channels apart, in bfloat16 an odd stride) is copied first; outputs are
// new, dense and never alias an input.
Attended fused_attention(const AttentionInput& input, const RowsRequest& rows, const Dropout& dropout = {},
                         bool causal = true);

}  // namespace kablate
