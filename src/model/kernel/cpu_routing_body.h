// Routing rows of mechanism 2 (spec, section 3): R[t, s] = mean over heads of P_h[t, s], recomputed from
// scores and their logarithmic sums, and selected before they are stored. Include after a vector_*.h.
#pragma once

#include "model/kernel/cpu_attention_backward.h"

namespace {

template <class E>
struct RowsBuffers : ScoreBuffers {
  RowsBuffers(const AttentionProblem& p, const RoutingRows& rows, Arena& arena)
      : ScoreBuffers(p, arena),
        strip(arena.take(p.T * kBlock)),
        log_sum(arena.take(kBlock)),
        best(arena.take(rows.most * kBlock)),
        place(arena.take(rows.most * kBlock)) {}
  float *strip, *log_sum;  // Σ_h P, [key, query]; of one head
  float *best, *place;     // the largest so far and their keys, [rank, query]
};

// strip += P of one head.
template <class E>
void add_head(const AttentionProblem& p, const RoutingRows& rows, Tile tile, const RowsBuffers<E>& buffers) {
  pack_lanes<E>(p.q, tile.b, tile.q0, tile.h, tile.n, p.D, buffers.queries);
  if (p.reciprocal_alpha != 0) pack_lanes<E>(p.k, tile.b, tile.q0, tile.h, tile.n, p.D, buffers.keys);
  const float* log_sum = rows.log_sum + (tile.b * p.H + tile.h) * p.T + tile.q0;
  for (int64_t t = 0; t < kBlock; ++t) buffers.log_sum[t] = t < tile.n ? log_sum[t] * kLog2E : 0;
  const Vector slope = spread(p.scale * kLog2E);
  for (tile.s0 = 0; tile.s0 < keys_end(p, tile.q0); tile.s0 += kBlock) {
    tile.m = smaller(kBlock, p.T - tile.s0);
    make_scores<E>(p, tile, buffers);
    for (int64_t v = 0; v < tile.vectors(); ++v) {
      const Vector shift = load(buffers.log_sum + v * kWidth);
      for (int64_t s = 0; s < tile.keys_of(v); ++s) {
        const Vector z = load(buffers.scores + s * kBlock + v * kWidth);
        float* sum = buffers.strip + (tile.s0 + s) * kBlock + v * kWidth;
        store(sum, load(sum) + causal(tile, s, v, exp2(fms(z, slope, shift)), 0));
      }
    }
  }
}

// The `most` largest of each query, largest first; of equal ones the lower key comes first.
inline void select(const Tile& tile, int64_t T, int64_t most, const float* strip, float* best, float* place) {
  constexpr float kNone = -1;  // below every weight
  for (int64_t i = 0; i < most * kBlock; ++i) best[i] = kNone, place[i] = kNone;
  for (int64_t v = 0; v < tile.vectors(); ++v) {
    const int64_t end = tile.causal ? smaller(tile.q0 + (v + 1) * kWidth, tile.q0 + tile.n) : T;
    for (int64_t s = 0; s < end; ++s) {
      Vector weight = load(strip + s * kBlock + v * kWidth);
      if (const int64_t first = s - tile.q0 - v * kWidth; tile.causal && first > 0)
        weight = from_lane(static_cast<int>(first), weight, spread(kNone));
      float* last = best + (most - 1) * kBlock + v * kWidth;
      if (!any_greater(weight, load(last))) continue;
      // Lanes above a place take it, what stood there moves down by one.
      Vector moved = weight, moved_place = spread(static_cast<float>(s));
      for (int64_t rank = 0; rank < most; ++rank) {
        float *b = best + rank * kBlock + v * kWidth, *at = place + rank * kBlock + v * kWidth;
        const Vector here = load(b), here_place = load(at);
        store(b, where_greater(weight, here, moved, here));
        store(at, where_greater(weight, here, moved_place, here_place));
        moved = where_greater(weight, here, here, moved);
        moved_place = where_greater(weight, here, here_place, moved_place);
      }
    }
  }
}

// All of the rows of a tile's queries, from [key, query] to [query, key] with 0 where a key isn't seen.
inline void write_rows(const AttentionProblem& p, const Tile& tile, const float* strip, float part,
                       float* to) {
  for (int64_t t = 0; t < tile.n; ++t)
    for (int64_t s = 0; s < p.T; ++s)
      to[t * p.T + s] = !p.causal || s <= tile.q0 + t ? part * strip[s * kBlock + t] : 0;
}

template <class E>
void write_selected(const AttentionProblem& p, const RoutingRows& result, const Tile& tile, float part,
                    const RowsBuffers<E>& buffers) {
  const int64_t most = result.most;
  select(tile, p.T, most, buffers.strip, buffers.best, buffers.place);
  for (int64_t t = 0; t < tile.n; ++t)
    for (int64_t rank = 0; rank < most; ++rank) {
      const int64_t to = (tile.b * p.T + tile.q0 + t) * most + rank;
      const float weight = buffers.best[rank * kBlock + t];
      result.weights[to] = weight < 0 ? 0 : part * weight;
      result.columns[to] = static_cast<std::int32_t>(buffers.place[rank * kBlock + t]);
    }
}

template <class E>
void rows(const AttentionProblem& p, const RoutingRows& result, int64_t b, int64_t q0, void* scratch) {
  Arena arena(scratch);
  const RowsBuffers<E> buffers(p, result, arena);
  Tile tile{b, 0, q0, smaller(kBlock, p.T - q0), 0, 0, p.causal};
  const auto clear = [&] {
    for (int64_t i = 0; i < smaller(p.T, keys_end(p, q0)) * kBlock; ++i) buffers.strip[i] = 0;
  };
  clear();
  for (tile.h = 0; tile.h < p.H; ++tile.h) {
    add_head<E>(p, result, tile, buffers);
    if (!result.by_head) continue;
    write_rows(p, tile, buffers.strip, 1, result.weights + ((b * p.H + tile.h) * p.T + q0) * p.T);
    clear();
  }
  if (result.by_head) return;
  const float part = 1.0f / static_cast<float>(p.H);
  if (result.most > 0) return write_selected<E>(p, result, tile, part, buffers);
  write_rows(p, tile, buffers.strip, part, result.weights + (b * p.T + q0) * p.T);
}

template <class E>
std::size_t rows_scratch(const AttentionProblem& p, const RoutingRows& result) {
  Arena arena(nullptr);
  const RowsBuffers<E> buffers(p, result, arena);
  return arena.used();
}

// ---- values along selected rows ----

// to[i] += weight · from[i], n numbers.
template <class T>
void add_scaled(float weight, const T* from, int64_t n, float* to) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth)
    store_vector(to + i, fma(spread(weight), load_vector(from + i), load_vector(to + i)));
  for (; i < n; ++i) to[i] += weight * number(from[i]);
}

template <class E>
const Element<E>* channels(const void* data, const RouteProblem& p, int64_t b, int64_t t) {
  return static_cast<const Element<E>*>(data) + (b * p.T + t) * p.F;
}

template <class E>
void route(const RouteProblem& p, void* y, int64_t b) {
  constexpr int64_t kChannels = 512;  // that stay in the first cache
  alignas(kLine) float sum[kChannels];
  for (int64_t t = 0; t < p.T; ++t) {
    const int64_t row = (b * p.T + t) * p.most;
    for (int64_t f = 0; f < p.F; f += kChannels) {
      const int64_t n = smaller(kChannels, p.F - f);
      for (int64_t i = 0; i < n; ++i) sum[i] = 0;
      for (int64_t j = row; j < row + p.most && p.columns[j] >= 0; ++j)
        add_scaled(p.weights[j], channels<E>(p.u, p, b, p.columns[j]) + f, n, sum);
      write_row(sum, n, static_cast<Element<E>*>(y) + (b * p.T + t) * p.F + f);
    }
  }
}

template <class E>
void route_weights_gradient(const RouteProblem& p, const void* y_gradient, float* gradient, int64_t b) {
  for (int64_t t = 0; t < p.T; ++t)
    for (int64_t j = (b * p.T + t) * p.most; j < (b * p.T + t + 1) * p.most; ++j)
      gradient[j] = p.columns[j] < 0
                        ? 0
                        : dot<E>(channels<E>(y_gradient, p, b, t), channels<E>(p.u, p, b, p.columns[j]), p.F);
}

template <class E>
void route_u_gradient(const RouteProblem& p, const void* y_gradient, void* gradient, int64_t b, int64_t f0,
                      int64_t f1, void* scratch) {
  const int64_t n = f1 - f0;
  auto* sum = static_cast<float*>(scratch);
  for (int64_t i = 0; i < p.T * n; ++i) sum[i] = 0;
  for (int64_t t = 0; t < p.T; ++t) {
    const int64_t row = (b * p.T + t) * p.most;
    for (int64_t j = row; j < row + p.most && p.columns[j] >= 0; ++j)
      add_scaled(p.weights[j], channels<E>(y_gradient, p, b, t) + f0, n, sum + p.columns[j] * n);
  }
  for (int64_t t = 0; t < p.T; ++t)
    write_row(sum + t * n, n, static_cast<Element<E>*>(gradient) + (b * p.T + t) * p.F + f0);
}

}  // namespace
