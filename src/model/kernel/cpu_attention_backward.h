// Attention backward, tile by tile as forward: probabilities are recomputed from scores and their
// logarithmic sums. Include after a vector_*.h; internal linkage, as in tile_products.h.
#pragma once

#include "model/kernel/cpu_attention_forward.h"

namespace {

template <class E>
struct BackwardBuffers : ScoreBuffers {
  BackwardBuffers(const AttentionProblem& p, Arena& arena)
      : ScoreBuffers(p, arena), width(up_to_multiple(p.D, kPiece)), value_width(up_to_multiple(p.C, kPiece)) {
    const int64_t tile = kBlock * kBlock, all = p.T * width;
    grad_output = arena.take(p.C * kBlock);
    query_rows = arena.take(kBlock * width), grad_output_rows = arena.take(kBlock * value_width);
    weight_gradient = arena.take(tile);
    turned = arena.take(kBlock * width), query_gradient = arena.take(kBlock * width);
    key_gradient = arena.take(all), value_gradient = arena.take(p.T * value_width);
    log_sum = arena.take(kBlock), delta = arena.take(kBlock), from_rows = arena.take(tile);
    if (E::kPairs) {
      key_pairs = arena.take(steps_of<E>(p.T) * p.D);
      weights = arena.take(tile / 2), score_gradient = arena.take(tile / 2);
      score_gradient_pairs = arena.take(tile / 2);
    } else {
      weights = scores, score_gradient = score_gradient_pairs = weight_gradient;
    }
    if (p.reciprocal_alpha == 0) return;
    key_rows = arena.take(kBlock * width), query_sum = arena.take(all);
    mirrored_key_gradient = arena.take(kBlock * width);
    if (E::kPairs) {
      query_pairs = arena.take(steps_of<E>(p.T) * p.D);
      mirrored_rows = arena.take(tile / 2), mirrored_pairs = arena.take(tile / 2);
    } else {
      mirrored_rows = mirrored_pairs = mirrored;
    }
  }

  int64_t width, value_width;                          // of rows of D and of C channels
  float *grad_output, *query_rows, *grad_output_rows;  // dO as lanes; q and dO of the block, a channel a lane
  float *weight_gradient, *turned, *query_gradient, *key_gradient, *value_gradient, *log_sum, *delta;
  float* from_rows;
  // [key, query] as the left side of products over queries, and (pairs of keys) as the right side.
  float *weights, *score_gradient, *score_gradient_pairs;
  float* key_pairs = nullptr;
  // Reciprocal attention: the block's keys a channel a lane, sums of dq of all positions, dk of the block.
  float *key_rows = nullptr, *query_sum = nullptr, *mirrored_key_gradient = nullptr;
  float *query_pairs = nullptr, *mirrored_rows = nullptr, *mirrored_pairs = nullptr;
};

// What P of this head gets, in a tile [key, query], from the gradient of routing rows: of their mean a part
// of 1/H. False where nothing was selected there.
inline bool rows_gradient(const AttentionProblem& p, const RowsGradient& rows, const Tile& tile, float* to) {
  if (rows.weights == nullptr) return false;
  const int64_t most = rows.columns == nullptr ? p.T : rows.most;
  const float part = rows.by_head ? 1.0f : 1.0f / static_cast<float>(p.H);
  const int64_t first = rows.by_head ? tile.b * p.H + tile.h : tile.b;
  bool any = rows.columns == nullptr;
  for (int64_t i = 0; i < kBlock * kBlock; ++i) to[i] = 0;
  for (int64_t t = 0; t < tile.n; ++t) {
    const int64_t row = (first * p.T + tile.q0 + t) * most;
    if (rows.columns == nullptr) {
      for (int64_t s = 0; s < tile.m; ++s) to[s * kBlock + t] = part * rows.weights[row + tile.s0 + s];
    } else {
      for (int64_t j = row; j < row + most; ++j) {
        const int64_t s = rows.columns[j] - tile.s0;
        if (s < 0 || s >= tile.m) continue;
        to[s * kBlock + t] = part * rows.weights[j];
        any = true;
      }
    }
  }
  return any;
}

// delta gets Σ_s P·(gradient of the rows), so that it is Σ_s P·dP of all that P was used for.
template <class E>
void add_rows_to_delta(const AttentionProblem& p, const AttentionBackward& result, Tile tile,
                       const BackwardBuffers<E>& buffers) {
  const Vector slope = spread(p.scale * kLog2E);
  for (tile.s0 = 0; tile.s0 < keys_end(p, tile.q0); tile.s0 += kBlock) {
    tile.m = smaller(kBlock, p.T - tile.s0);
    if (!rows_gradient(p, result.rows, tile, buffers.from_rows)) continue;
    make_scores<E>(p, tile, buffers);
    for (int64_t v = 0; v < tile.vectors(); ++v) {
      const Vector shift = load(buffers.log_sum + v * kWidth) * spread(kLog2E);
      Vector delta = load(buffers.delta + v * kWidth);
      for (int64_t s = 0; s < tile.keys_of(v); ++s) {
        const int64_t place = s * kBlock + v * kWidth;
        const Vector weight = causal(tile, s, v, exp2(fms(load(buffers.scores + place), slope, shift)), 0);
        delta = fma(weight, load(buffers.from_rows + place), delta);
      }
      store(buffers.delta + v * kWidth, delta);
    }
  }
}

// What is stored of a [key, query] matrix: rows, and the same as right side of a product over keys.
template <class E>
void store_keys(int64_t s, int64_t v, bool pair, Vector first, Vector second, float* rows, float* pairs) {
  if constexpr (E::kPairs) {
    auto* row = reinterpret_cast<std::uint16_t*>(rows) + s * kBlock + v * kWidth;
    store_rounded(row, first);
    if (pair) store_rounded(row + kBlock, second);
    if (pairs != nullptr)
      store_pairs(reinterpret_cast<uint32_t*>(pairs) + s / 2 * kBlock + v * kWidth, first, second);
  } else {
    float* row = rows + s * kBlock + v * kWidth;
    store(row, first);
    if (pair) store(row + kBlock, second);
  }
}

// From scores and dP: P after dropout, dZ = scale · P ⊙ (dP - delta), and its part in the band.
template <class E>
void differentiate(const AttentionProblem& p, const Tile& tile, const BackwardBuffers<E>& buffers) {
  const Vector slope = spread(p.scale * kLog2E), scale = spread(p.scale), alpha = spread(p.reciprocal_alpha);
  const bool band = in_band(p, tile);
  for (int64_t v = 0; v < tile.vectors(); ++v) {
    const int64_t keys = tile.keys_of(v);
    const Vector shift = load(buffers.log_sum + v * kWidth) * spread(kLog2E);
    const Vector delta = load(buffers.delta + v * kWidth);
    for (int64_t s = 0; s < keys; s += 2) {
      Vector weight[2] = {spread(0), spread(0)}, gradient[2] = {spread(0), spread(0)}, part[2];
      const bool pair = s + 1 < keys;
      for (int i = 0; i <= pair; ++i) {
        const int64_t place = (s + i) * kBlock + v * kWidth;
        const Vector z = load(buffers.scores + place), up = load(buffers.weight_gradient + place);
        weight[i] = causal(tile, s + i, v, exp2(fms(z, slope, shift)), 0);
        gradient[i] = weight[i] * (up - delta) * scale;
      }
      for (int i = 0; i <= pair; ++i) weight[i] = dropped(buffers, (s + i) * kBlock + v * kWidth, weight[i]);
      store_keys<E>(s, v, pair, weight[0], weight[1], buffers.weights, nullptr);
      store_keys<E>(s, v, pair, gradient[0], gradient[1], buffers.score_gradient,
                    buffers.score_gradient_pairs);
      if (!band) continue;
      for (int i = 0; i < 2; ++i) part[i] = alpha * band_only(p, tile, s + i, v, gradient[i]);
      store_keys<E>(s, v, pair, part[0], part[1], buffers.mirrored_rows, buffers.mirrored_pairs);
    }
  }
}

// A stored [key, query] matrix as the left side of a product over queries, from (key, query) on.
template <class E>
Operand over_queries(const float* rows, int64_t key, int64_t query) {
  constexpr int64_t kBytes = sizeof(Element<E>);
  return {reinterpret_cast<const char*>(rows) + (key * kBlock + query) * kBytes, kBlock * kBytes, 4};
}

template <class E>
void add_gradients(const AttentionProblem& p, const Tile& tile, const BackwardBuffers<E>& buffers) {
  const int64_t width = buffers.width, vectors = width / kWidth, value_width = buffers.value_width;
  const Operand keys = over_positions<E>(p.k, tile.b, key_head(p, tile.h), p.D, buffers.key_pairs);
  const Operand queries =
      p.reciprocal_alpha == 0 ? keys : over_positions<E>(p.q, tile.b, tile.h, p.D, buffers.query_pairs);
  for_pieces(tile, [&](int64_t s, int64_t m, int64_t v) {
    const int64_t first = v * kWidth, skipped = steps_of<E>(first), steps = steps_of<E>(tile.n - first);
    const int64_t place = (tile.s0 + s) * width, from = steps_of<E>(s),
                  key_step = steps_of<E>(tile.s0) + from;
    // Σ over queries: dV += Pᵀ·dO, dK += dZᵀ·q.
    multiply<E>(over_queries<E>(buffers.weights, s, first), m,
                buffers.grad_output_rows + skipped * value_width, value_width, value_width / kWidth, steps,
                buffers.value_gradient + (tile.s0 + s) * value_width, value_width, true);
    multiply<E>(over_queries<E>(buffers.score_gradient, s, first), m, buffers.query_rows + skipped * width,
                width, vectors, steps, buffers.key_gradient + place, width, true);
    // Σ over keys: dQ += dZ·k.
    multiply<E>(at(keys, 0, key_step), p.D, buffers.score_gradient_pairs + from * kBlock + first, kBlock,
                tile.vectors() - v, steps_of<E>(m), buffers.query_gradient + first, kBlock, true);
    if (!in_band(p, tile)) return;
    multiply<E>(over_queries<E>(buffers.mirrored_rows, s, first), m, buffers.key_rows + skipped * width,
                width, vectors, steps, buffers.query_sum + place, width, true);
    multiply<E>(at(queries, 0, key_step), p.D, buffers.mirrored_pairs + from * kBlock + first, kBlock,
                tile.vectors() - v, steps_of<E>(m), buffers.mirrored_key_gradient + first, kBlock, true);
  });
}

// Σ_d of the products of two rows.
template <class E>
float dot(const Element<E>* a, const Element<E>* b, int64_t n) {
  Vector sum = spread(0);
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) sum = fma(load_vector(a + i), load_vector(b + i), sum);
  float total = 0;
  for (int lane = 0; lane < kWidth; ++lane) total += sum[lane];
  for (; i < n; ++i) total += number(a[i]) * number(b[i]);
  return total;
}

// dP of a tile: what the values give, through dropout, and what routing rows give, which are taken before it.
template <class E>
void make_weight_gradient(const AttentionProblem& p, const AttentionBackward& result, const Tile& tile,
                          const BackwardBuffers<E>& buffers) {
  const Operand values = over_width<E>(p.v, tile.b, tile.s0, key_head(p, tile.h));
  make_factors(p, tile, buffers);
  for_pieces(tile, [&](int64_t s, int64_t m, int64_t v) {
    float* gradient = buffers.weight_gradient + s * kBlock + v * kWidth;
    multiply<E>(at(values, s, 0), m, buffers.grad_output + v * kWidth, kBlock, tile.vectors() - v,
                steps_of<E>(p.C), gradient, kBlock, false);
    if (buffers.factors == nullptr) return;
    for (int64_t key = s; key < s + m; ++key)
      for (int64_t w = v; w < tile.vectors(); ++w) {
        const int64_t place = key * kBlock + w * kWidth;
        store(buffers.weight_gradient + place,
              dropped(buffers, place, load(buffers.weight_gradient + place)));
      }
  });
  if (!rows_gradient(p, result.rows, tile, buffers.from_rows)) return;
  for (int64_t i = 0; i < kBlock * kBlock; ++i) buffers.weight_gradient[i] += buffers.from_rows[i];
}

template <class E>
void begin_block(const AttentionProblem& p, const AttentionBackward& result, const Tile& tile,
                 const BackwardBuffers<E>& buffers) {
  const auto [b, h, q0, n, s0, m, causal] = tile;
  const int64_t width = buffers.width;
  pack_lanes<E>(p.q, b, q0, h, n, p.D, buffers.queries);
  pack_lanes<E>(result.values_gradient, b, q0, h, n, p.C, buffers.grad_output);
  pack_rows<E>(p.q, b, q0, h, n, p.D, width, buffers.query_rows);
  pack_rows<E>(result.values_gradient, b, q0, h, n, p.C, buffers.value_width, buffers.grad_output_rows);
  for (int64_t i = 0; i < kBlock * width; ++i) buffers.query_gradient[i] = 0;
  const float* log_sum = result.log_sum + (b * p.H + h) * p.T + q0;
  for (int64_t t = 0; t < kBlock; ++t) {
    buffers.log_sum[t] = t < n ? log_sum[t] : 0;
    buffers.delta[t] = t < n ? dot<E>(row_of<E>(result.values, b, q0 + t, h),
                                      row_of<E>(result.values_gradient, b, q0 + t, h), p.C)
                             : 0;
  }
  if (p.reciprocal_alpha == 0) return;
  pack_lanes<E>(p.k, b, q0, h, n, p.D, buffers.keys);
  pack_rows<E>(p.k, b, q0, h, n, p.D, width, buffers.key_rows);
  for (int64_t i = 0; i < kBlock * width; ++i) buffers.mirrored_key_gradient[i] = 0;
}

// dq of the block goes out; with reciprocal attention it waits for what later blocks add.
template <class E>
void finish_block(const AttentionProblem& p, const AttentionBackward& result, const Tile& tile,
                  const BackwardBuffers<E>& buffers) {
  const int64_t width = buffers.width;
  turn_back(buffers.query_gradient, tile.n, width, buffers.turned);
  if (p.reciprocal_alpha == 0) {
    for (int64_t t = 0; t < tile.n; ++t)
      write_row(buffers.turned + t * width, p.D,
                out_row_of<E>(result.q_gradient, tile.b, tile.q0 + t, tile.h));
    return;
  }
  float* query_sum = buffers.query_sum + tile.q0 * width;
  for (int64_t i = 0; i < tile.n * width; ++i) query_sum[i] += buffers.turned[i];
  turn_back(buffers.mirrored_key_gradient, tile.n, width, buffers.turned);
  float* key_gradient = buffers.key_gradient + tile.q0 * width;
  for (int64_t i = 0; i < tile.n * width; ++i) key_gradient[i] += buffers.turned[i];
}

// dq of one head of queries goes out, and what it gives the keys and values is added up.
template <class E>
void backward_of_queries(const AttentionProblem& p, const AttentionBackward& result, int64_t b, int64_t h,
                         const BackwardBuffers<E>& buffers) {
  for (int64_t q0 = 0; q0 < p.T; q0 += kBlock) {
    Tile tile{b, h, q0, smaller(kBlock, p.T - q0), 0, 0, p.causal};
    begin_block<E>(p, result, tile, buffers);
    add_rows_to_delta<E>(p, result, tile, buffers);
    for (; tile.s0 < keys_end(p, q0); tile.s0 += kBlock) {
      tile.m = smaller(kBlock, p.T - tile.s0);
      make_scores<E>(p, tile, buffers);
      make_weight_gradient<E>(p, result, tile, buffers);
      differentiate<E>(p, tile, buffers);
      add_gradients<E>(p, tile, buffers);
    }
    finish_block<E>(p, result, tile, buffers);
  }
}

// Of head `kept` of keys and values and the H/K heads of queries that read it, one after the other.
template <class E>
void backward(const AttentionProblem& p, const AttentionBackward& result, int64_t b, int64_t kept,
              void* scratch) {
  Arena arena(scratch);
  const BackwardBuffers<E> buffers(p, arena);
  const int64_t width = buffers.width, value_width = buffers.value_width, group = p.H / p.K;
  const bool reciprocal = p.reciprocal_alpha != 0;
  pack_pairs<E>(p.k, b, kept, p.T, p.D, buffers.key_pairs);
  if (reciprocal) pack_pairs<E>(p.q, b, kept, p.T, p.D, buffers.query_pairs);
  for (int64_t i = 0; i < p.T * width; ++i) {
    buffers.key_gradient[i] = 0;
    if (reciprocal) buffers.query_sum[i] = 0;
  }
  for (int64_t i = 0; i < p.T * value_width; ++i) buffers.value_gradient[i] = 0;
  for (int64_t h = kept * group; h < (kept + 1) * group; ++h)
    backward_of_queries<E>(p, result, b, h, buffers);
  for (int64_t t = 0; t < p.T; ++t) {
    write_row(buffers.key_gradient + t * width, p.D, out_row_of<E>(result.k_gradient, b, t, kept));
    write_row(buffers.value_gradient + t * value_width, p.C, out_row_of<E>(result.v_gradient, b, t, kept));
    if (reciprocal)
      write_row(buffers.query_sum + t * width, p.D, out_row_of<E>(result.q_gradient, b, t, kept));
  }
}

template <class E>
std::size_t backward_scratch(const AttentionProblem& p) {
  Arena arena(nullptr);
  const BackwardBuffers<E> buffers(p, arena);
  return arena.used();
}

}  // namespace
