// Causal attention on the CPU in tiles (Dao et al. 2022, FlashAttention: softmax in one pass over blocks of
// keys, probabilities recomputed in the backward pass), for one (sequence, head) pair a call. Query head h
// reads head h ÷ (H/K) of keys and values (Ainslie et al. 2023, "GQA"). No tensor
// library here: the files that include cpu_kernels_body.h are compiled for one instruction set each. What
// holds of every pointer stands in cpu_kernels.h.
#pragma once

#include <cstdint>

namespace kablate::kernel {

// [B, T, H, D] in the element type of the problem (or K heads, or C numbers), the numbers of a head together;
// the other strides in elements, in bfloat16 even, and `data` aligned to 4 bytes: pairs are read as one word.
// A head stride of 0 is keys or values that all heads share; of what is written no two heads or positions
// overlap.
struct HeadsView {
  void* data = nullptr;
  std::int64_t batch = 0, position = 0, head = 0;
};

// Dropout of the weights that multiply the values: zeroed where the weight's number is below `threshold`,
// scaled by `keep` elsewhere. The number of weight (h, t, s) is element (h·T + t)·T + s of sample b in the
// stream of base/rng.h. REQUIRES: T a multiple of 4, and H·T·T at most 2^34.
struct WeightDropout {
  std::uint64_t key = 0;
  const std::uint64_t* samples = nullptr;  // [B], the sequences' sample numbers; null: no dropout
  std::uint32_t threshold = 0;
  float keep = 1;
};

struct AttentionProblem {
  std::int64_t T = 0, H = 0, K = 0;  // K a divisor of H
  bool causal = true;                // P over s <= t; else over all s
  std::int64_t D = 0, C = 0;         // of q and k, and of v: <= kMostHeadWidth; even in bfloat16
  bool bfloat16 = false;             // else float32
  float scale = 1;                   // of q·k
  float reciprocal_alpha = 0;  // Z[t,s] += alpha·Z[s,t] where t-s <= window; 0 is off, K = H and causal else
  std::int64_t reciprocal_window = 0;
  HeadsView q, k, v;  // [B, T, H, D], [B, T, K, D], [B, T, K, C]
  WeightDropout dropout;
};

constexpr std::int64_t kMostHeadWidth = 256;

struct AttentionForward {
  HeadsView values;          // out, [B, T, H, C]: P·v
  float* log_sum = nullptr;  // out, [B, H, T]: log Σ exp(Z), what the backward pass recomputes P from
};

// The gradient of routing rows, and which entries it is of: as in RoutingRows.
struct RowsGradient {
  const float* weights = nullptr;         // [B, T, most], [B, T, T] or [B, H, T, T]; null: nothing used rows
  const std::int32_t* columns = nullptr;  // [B, T, most]; null: of all entries
  std::int64_t most = 0;
  bool by_head = false;
};

struct AttentionBackward {
  HeadsView values, values_gradient;  // of the forward pass, and the gradient of these
  const float* log_sum = nullptr;     // [B, H, T], of the forward pass
  RowsGradient rows;
  HeadsView q_gradient, k_gradient,
      v_gradient;  // out; of keys and values summed over the heads that read them
};

// R[t, s] = mean over heads of P_h[t, s]: all of it, or of each row the `most` largest, the largest first, of
// equal ones the lower column. A row of fewer tokens has column -1 and weight 0 in the rest.
struct RoutingRows {
  const float* log_sum = nullptr;   // [B, H, T], of the forward pass
  std::int64_t most = 0;            // 0: all
  bool by_head = false;             // P of every head instead of the mean; only without `most`
  float* weights = nullptr;         // out, [B, T, most], [B, T, T] or [B, H, T, T]
  std::int32_t* columns = nullptr;  // out, [B, T, most]; null without `most`
};

// y[t] = Σ_j weights[t, j] · u[columns[t, j]], for one sequence: u and y [T, F] in the element type.
struct RouteProblem {
  std::int64_t T = 0, F = 0, most = 0;
  bool bfloat16 = false;
  const float* weights = nullptr;         // [B, T, most]
  const std::int32_t* columns = nullptr;  // [B, T, most], below T; -1 behind a row's last entry
  const void* u = nullptr;                // [B, T, F]
};

constexpr std::int64_t kQueriesAtOnce = 64;  // rows are made for so many positions a call

}  // namespace kablate::kernel
