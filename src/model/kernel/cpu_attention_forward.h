// Attention forward, in tiles of 64 queries x 64 keys, one query a lane: scores stand transposed,
// Sᵀ[s, t], so that maxima, sums and the mask need no work across lanes. Include after a vector_*.h; internal
// linkage, as in tile_products.h.
#pragma once

#include "model/kernel/cpu_attention_dropout.h"
#include "model/kernel/tile_products.h"

namespace {

// What both passes need of one block of queries.
struct ScoreBuffers {
  ScoreBuffers(const AttentionProblem& p, Arena& arena)
      : queries(arena.take(p.D * kBlock)), scores(arena.take(kBlock * kBlock)) {
    if (p.dropout.samples != nullptr) factors = arena.take(kBlock * kBlock);
    if (p.reciprocal_alpha == 0) return;
    keys = arena.take(p.D * kBlock), mirrored = arena.take(kBlock * kBlock);
  }
  float *queries, *scores;                     // [D, 64] a query a lane; [key, query]
  float* factors = nullptr;                    // of the weights that dropout leaves; [key, query]
  float *keys = nullptr, *mirrored = nullptr;  // reciprocal attention: the block's keys as lanes; Z[s, t]
};

// A tile: n queries from q0, m keys from s0.
struct Tile {
  int64_t b, h, q0, n, s0, m;
  bool causal;  // nothing above the diagonal counts
  bool diagonal() const { return causal && q0 == s0; }
  int64_t vectors() const { return (n + kWidth - 1) / kWidth; }
  // Keys that a vector of queries sees, up to the piece that holds its diagonal.
  int64_t keys_of(int64_t vector) const {
    return diagonal() ? smaller(m, (vector * kWidth / kPiece + 1) * kPiece) : m;
  }
};

// Past the last key that a block of queries from q0 sees, in whole blocks.
inline int64_t keys_end(const AttentionProblem& p, int64_t q0) { return p.causal ? q0 + kBlock : p.T; }

// The head of keys and values that query head h reads.
inline int64_t key_head(const AttentionProblem& p, int64_t h) { return h / (p.H / p.K); }

// f(first key, keys, first vector of queries): what lies above the diagonal piece is left out.
template <class Function>
void for_pieces(const Tile& tile, const Function& f) {
  if (!tile.diagonal()) return f(int64_t{0}, tile.m, int64_t{0});
  for (int64_t s = 0; s < tile.m; s += kPiece) f(s, smaller(kPiece, tile.m - s), s / kWidth);
}

// ---- scores ----

inline bool in_band(const AttentionProblem& p, const Tile& tile) {
  return p.reciprocal_alpha != 0 && tile.q0 - (tile.s0 + tile.m - 1) <= p.reciprocal_window;
}

// x where query (of vector v) - key <= window, 0 elsewhere.
inline Vector band_only(const AttentionProblem& p, const Tile& tile, int64_t key, int64_t v, Vector x) {
  const int64_t first_outside = tile.s0 + key + p.reciprocal_window + 1 - tile.q0 - v * kWidth;
  if (first_outside >= kWidth) return x;
  return from_lane(static_cast<int>(first_outside < 0 ? 0 : first_outside), spread(0), x);
}

// scores[key, query] = k·q, and in the band + alpha · (q of the key's position)·(k of the query's position).
template <class E>
void make_scores(const AttentionProblem& p, const Tile& tile, const ScoreBuffers& buffers) {
  const int64_t steps = steps_of<E>(p.D), vectors = tile.vectors();
  const Operand keys = over_width<E>(p.k, tile.b, tile.s0, key_head(p, tile.h));
  for_pieces(tile, [&](int64_t s, int64_t m, int64_t v) {
    multiply<E>(at(keys, s, 0), m, buffers.queries + v * kWidth, kBlock, vectors - v, steps,
                buffers.scores + s * kBlock + v * kWidth, kBlock, false);
  });
  if (!in_band(p, tile)) return;
  const Operand queries = over_width<E>(p.q, tile.b, tile.s0, tile.h);
  const Vector alpha = spread(p.reciprocal_alpha);
  for_pieces(tile, [&](int64_t s, int64_t m, int64_t v) {
    multiply<E>(at(queries, s, 0), m, buffers.keys + v * kWidth, kBlock, vectors - v, steps,
                buffers.mirrored + s * kBlock + v * kWidth, kBlock, false);
    for (int64_t key = s; key < s + m; ++key)
      for (int64_t w = v; w < vectors; ++w) {
        float* z = buffers.scores + key * kBlock + w * kWidth;
        const Vector mirrored = load(buffers.mirrored + key * kBlock + w * kWidth);
        store(z, fma(alpha, band_only(p, tile, key, w, mirrored), load(z)));
      }
  });
}

// x at lanes whose query is at or after the key, `other` before.
inline Vector causal(const Tile& tile, int64_t key, int64_t v, Vector x, float other) {
  if (!tile.diagonal() || key <= v * kWidth) return x;
  return from_lane(static_cast<int>(key - v * kWidth), x, spread(other));
}

// The factors of a tile's weights, where there is dropout.
inline void make_factors(const AttentionProblem& p, const Tile& tile, const ScoreBuffers& buffers) {
  if (buffers.factors == nullptr) return;
  for_pieces(tile, [&](int64_t s, int64_t m, int64_t v) {
    make_factors(p, tile.b, tile.h, tile.q0, v * kWidth, tile.s0 + s, m, buffers.factors + s * kBlock);
  });
}

// x of a place [key, query] in the tile after dropout.
inline Vector dropped(const ScoreBuffers& buffers, int64_t place, Vector x) {
  return buffers.factors == nullptr ? x : x * load(buffers.factors + place);
}

// ---- forward ----

template <class E>
struct ForwardBuffers : ScoreBuffers {
  ForwardBuffers(const AttentionProblem& p, Arena& arena)
      : ScoreBuffers(p, arena),
        value_pairs(arena.take(E::kPairs ? steps_of<E>(p.T) * p.C : 0)),
        weight_pairs(arena.take(E::kPairs ? kBlock / 2 * kBlock : 0)),
        out(arena.take(up_to_multiple(p.C, kPiece) * kBlock)),
        turned(arena.take(up_to_multiple(p.C, kPiece) * kBlock)),
        most(arena.take(kBlock)),
        sum(arena.take(kBlock)) {}
  float *value_pairs, *weight_pairs, *out, *turned, *most, *sum;
};

// Scores become exp(scores - the largest so far), with sums and earlier output rescaled to it. Sums are of
// all weights, dropped ones too.
template <class E>
void soften(const AttentionProblem& p, const Tile& tile, const ForwardBuffers<E>& buffers) {
  const Vector slope = spread(p.scale * kLog2E);
  for (int64_t v = 0; v < tile.vectors(); ++v) {
    const int64_t keys = tile.keys_of(v);
    float* column = buffers.scores + v * kWidth;
    const Vector before = load(buffers.most + v * kWidth);
    Vector most = before;
    for (int64_t s = 0; s < keys; ++s) {
      const Vector z = causal(tile, s, v, load(column + s * kBlock), -__builtin_inff());
      store(column + s * kBlock, z);
      most = largest(most, z);
    }
    store(buffers.most + v * kWidth, most);
    const Vector shift = most * slope;
    const Vector shrink = exp2(fms(before, slope, shift));
    Vector sum = load(buffers.sum + v * kWidth) * shrink;
    for (int64_t s = 0; s < keys; s += 2) {
      Vector first = exp2(fms(load(column + s * kBlock), slope, shift));
      const bool pair = s + 1 < keys;
      Vector second = pair ? exp2(fms(load(column + (s + 1) * kBlock), slope, shift)) : spread(0);
      sum = sum + first + second;
      first = dropped(buffers, s * kBlock + v * kWidth, first);
      if (pair) second = dropped(buffers, (s + 1) * kBlock + v * kWidth, second);
      if constexpr (E::kPairs) {
        store_pairs(reinterpret_cast<uint32_t*>(buffers.weight_pairs) + s / 2 * kBlock + v * kWidth, first,
                    second);
      } else {
        store(column + s * kBlock, first);
        if (pair) store(column + (s + 1) * kBlock, second);
      }
    }
    store(buffers.sum + v * kWidth, sum);
    if (tile.s0 == 0) continue;
    for (int64_t d = 0; d < p.C; ++d) {
      float* out = buffers.out + d * kBlock + v * kWidth;
      store(out, load(out) * shrink);
    }
  }
}

template <class E>
void add_values(const AttentionProblem& p, const Tile& tile, const ForwardBuffers<E>& buffers) {
  const Operand values = over_positions<E>(p.v, tile.b, key_head(p, tile.h), p.C, buffers.value_pairs);
  const float* weights = E::kPairs ? buffers.weight_pairs : buffers.scores;
  for_pieces(tile, [&](int64_t s, int64_t m, int64_t v) {
    const int64_t from = steps_of<E>(s);
    multiply<E>(at(values, 0, steps_of<E>(tile.s0) + from), p.C, weights + from * kBlock + v * kWidth, kBlock,
                tile.vectors() - v, steps_of<E>(m), buffers.out + v * kWidth, kBlock, tile.s0 + s > 0);
  });
}

template <class E>
void finish_forward(const AttentionProblem& p, const AttentionForward& result, const Tile& tile,
                    const ForwardBuffers<E>& buffers) {
  for (int64_t v = 0; v < tile.vectors(); ++v) {
    const Vector part = spread(1) / load(buffers.sum + v * kWidth);
    for (int64_t d = 0; d < p.C; ++d) {
      float* out = buffers.out + d * kBlock + v * kWidth;
      store(out, load(out) * part);
    }
  }
  const int64_t width = up_to_multiple(p.C, kPiece);
  turn_back(buffers.out, tile.n, width, buffers.turned);
  float* log_sum = result.log_sum + (tile.b * p.H + tile.h) * p.T + tile.q0;
  for (int64_t t = 0; t < tile.n; ++t) {
    write_row(buffers.turned + t * width, p.C, out_row_of<E>(result.values, tile.b, tile.q0 + t, tile.h));
    log_sum[t] = buffers.most[t] * p.scale + __builtin_logf(buffers.sum[t]);
  }
}

template <class E>
void forward(const AttentionProblem& p, const AttentionForward& result, int64_t b, int64_t h, void* scratch) {
  Arena arena(scratch);
  const ForwardBuffers<E> buffers(p, arena);
  pack_pairs<E>(p.v, b, key_head(p, h), p.T, p.C, buffers.value_pairs);
  for (int64_t q0 = 0; q0 < p.T; q0 += kBlock) {
    Tile tile{b, h, q0, smaller(kBlock, p.T - q0), 0, 0, p.causal};
    pack_lanes<E>(p.q, b, q0, h, tile.n, p.D, buffers.queries);
    if (p.reciprocal_alpha != 0) pack_lanes<E>(p.k, b, q0, h, tile.n, p.D, buffers.keys);
    for (int64_t i = 0; i < kBlock; ++i) buffers.most[i] = -__builtin_inff(), buffers.sum[i] = 0;
    for (; tile.s0 < keys_end(p, q0); tile.s0 += kBlock) {
      tile.m = smaller(kBlock, p.T - tile.s0);
      make_scores<E>(p, tile, buffers);
      make_factors(p, tile, buffers);
      soften<E>(p, tile, buffers);
      add_values<E>(p, tile, buffers);
    }
    finish_forward<E>(p, result, tile, buffers);
  }
}

template <class E>
std::size_t forward_scratch(const AttentionProblem& p) {
  Arena arena(nullptr);
  const ForwardBuffers<E> buffers(p, arena);
  return arena.used();
}

}  // namespace
