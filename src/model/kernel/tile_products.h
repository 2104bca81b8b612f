// Small matrix products of the form "one number times a vector", and the packing that they want. Include
// after a vector_*.h, whose names it is written in; all of it has internal linkage, since each instruction
// set compiles its own.
#pragma once

#include "model/kernel/cpu_kernels.h"

namespace {

using namespace kablate::kernel;
using std::int64_t;
using std::uint32_t;

constexpr int64_t kBlock = 64;  // queries, and keys, of a tile
constexpr int64_t kPiece = 16;  // keys that the diagonal tile is cut into
constexpr int64_t kLine = 64;   // bytes that buffers are aligned to
constexpr float kLog2E = 1.44269504f;

constexpr int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
constexpr int64_t up_to_multiple(int64_t n, int64_t of) { return (n + of - 1) / of * of; }

// ---- products ----

// The number at (row, step) of the left side of a product: bytes between rows and between steps.
struct Operand {
  const char* data;
  int64_t row, step;
};

inline Operand at(Operand a, int64_t row, int64_t step) {
  return {a.data + row * a.row + step * a.step, a.row, a.step};
}

// c[row, lane] (+)= Σ_step a[row, step] · b[step, lane], R rows of N vectors; b has `b_row` numbers a step.
template <class E, int R, int N>
inline void tile(Operand a, const float* b, int64_t b_row, int64_t steps, float* c, int64_t c_row, bool add) {
  Vector sum[R][N];
#pragma GCC unroll 32
  for (int i = 0; i < R * N; ++i)
    sum[i / N][i % N] = add ? load(c + i / N * c_row + i % N * kWidth) : spread(0);
  for (int64_t step = 0; step < steps; ++step) {
    const char* left = a.data + step * a.step;
    const float* right = b + step * b_row;
#pragma GCC unroll 32
    for (int i = 0; i < R * N; ++i)
      sum[i / N][i % N] = E::multiply_add(left + i / N * a.row, right + i % N * kWidth, sum[i / N][i % N]);
  }
#pragma GCC unroll 32
  for (int i = 0; i < R * N; ++i) store(c + i / N * c_row + i % N * kWidth, sum[i / N][i % N]);
}

template <class E, int N>
void rows_of_tiles(Operand a, int64_t rows, const float* b, int64_t b_row, int64_t steps, float* c,
                   int64_t c_row, bool add) {
  constexpr int R = N <= 2 ? 8 : N == 3 ? 6 : 5;  // as many sums as fit the registers
  int64_t row = 0;
  for (; row + R <= rows; row += R)
    tile<E, R, N>(at(a, row, 0), b, b_row, steps, c + row * c_row, c_row, add);
  for (; row + 4 <= rows; row += 4)
    tile<E, 4, N>(at(a, row, 0), b, b_row, steps, c + row * c_row, c_row, add);
  for (; row < rows; ++row) tile<E, 1, N>(at(a, row, 0), b, b_row, steps, c + row * c_row, c_row, add);
}

// The same for any number of rows and vectors.
template <class E>
void multiply(Operand a, int64_t rows, const float* b, int64_t b_row, int64_t vectors, int64_t steps,
              float* c, int64_t c_row, bool add) {
  for (int64_t v = 0; v < vectors; v += kColumns) {
    const float* right = b + v * kWidth;
    float* out = c + v * kWidth;
    switch (smaller(kColumns, vectors - v)) {
      case 1:
        rows_of_tiles<E, 1>(a, rows, right, b_row, steps, out, c_row, add);
        break;
      case 2:
        rows_of_tiles<E, 2>(a, rows, right, b_row, steps, out, c_row, add);
        break;
      case 3:
        rows_of_tiles<E, 3>(a, rows, right, b_row, steps, out, c_row, add);
        break;
      default:
        rows_of_tiles<E, kColumns>(a, rows, right, b_row, steps, out, c_row, add);
    }
  }
}

// ---- reading and packing ----

template <class E>
using Element = typename E::Element;

// Contraction steps that n numbers are: pairs of them in bfloat16.
template <class E>
constexpr int64_t steps_of(int64_t n) {
  return E::kPairs ? (n + 1) / 2 : n;
}

template <class E>
const Element<E>* row_of(const HeadsView& view, int64_t b, int64_t t, int64_t h) {
  return static_cast<const Element<E>*>(view.data) + b * view.batch + t * view.position + h * view.head;
}
template <class E>
Element<E>* out_row_of(const HeadsView& view, int64_t b, int64_t t, int64_t h) {
  return static_cast<Element<E>*>(view.data) + b * view.batch + t * view.position + h * view.head;
}

// Rows of [T, D] as the left side of a product over d: nothing to pack, since a row's pairs lie together.
template <class E>
Operand over_width(const HeadsView& view, int64_t b, int64_t t, int64_t h) {
  return {reinterpret_cast<const char*>(row_of<E>(view, b, t, h)),
          view.position * static_cast<int64_t>(sizeof(Element<E>)), 4};
}

// Rows t of a block, [n, D], to [D or D/2, 64] with a query a lane; lanes past n are 0.
template <class E>
void pack_lanes(const HeadsView& view, int64_t b, int64_t t0, int64_t h, int64_t n, int64_t D, float* to) {
  const int64_t words = D * static_cast<int64_t>(sizeof(Element<E>)) / 4;
  auto* out = reinterpret_cast<uint32_t*>(to);
  const int64_t step = view.position * static_cast<int64_t>(sizeof(Element<E>)) / 4;
  const auto* from = reinterpret_cast<const uint32_t*>(row_of<E>(view, b, t0, h));
  const int64_t whole_rows = n / kWidth * kWidth, whole_words = words / kWidth * kWidth;
  for (int64_t t = 0; t < whole_rows; t += kWidth)
    for (int64_t w = 0; w < whole_words; w += kWidth)
      transpose(from + t * step + w, step, out + w * kBlock + t, kBlock);
  for (int64_t t = 0; t < n; ++t)
    for (int64_t w = t < whole_rows ? whole_words : 0; w < words; ++w)
      out[w * kBlock + t] = from[t * step + w];
  for (int64_t w = 0; w < words; ++w)
    for (int64_t t = n; t < kBlock; ++t) out[w * kBlock + t] = 0;
}

// Rows t of a block, [n, D], to [n or pairs of n, width] with a channel a lane, 0 past D and past n.
template <class E>
void pack_rows(const HeadsView& view, int64_t b, int64_t t0, int64_t h, int64_t n, int64_t D, int64_t width,
               float* to) {
  for (int64_t step = 0; step < steps_of<E>(n); ++step) {
    auto* out = reinterpret_cast<uint32_t*>(to) + step * width;
    if constexpr (E::kPairs) {
      const auto* low = row_of<E>(view, b, t0 + 2 * step, h);
      if (2 * step + 1 < n) {
        const auto* high = row_of<E>(view, b, t0 + 2 * step + 1, h);
        for (int64_t d = 0; d < D; ++d) out[d] = low[d] | static_cast<uint32_t>(high[d]) << 16;
      } else {
        for (int64_t d = 0; d < D; ++d) out[d] = low[d];
      }
    } else {
      __builtin_memcpy(out, row_of<E>(view, b, t0 + step, h), static_cast<std::size_t>(D) * 4);
    }
    for (int64_t d = D; d < width; ++d) out[d] = 0;
  }
}

// [T, D] as the left side of a product over t whose rows are channels. bfloat16 needs pairs of positions,
// packed in `pairs`.
template <class E>
Operand over_positions(const HeadsView& view, int64_t b, int64_t h, int64_t D, const float* pairs) {
  if constexpr (E::kPairs) return {reinterpret_cast<const char*>(pairs), 4, D * 4};
  return {reinterpret_cast<const char*>(row_of<E>(view, b, 0, h)), 4, view.position * 4};
}
template <class E>
void pack_pairs(const HeadsView& view, int64_t b, int64_t h, int64_t T, int64_t D, float* pairs) {
  if constexpr (E::kPairs) pack_rows<E>(view, b, 0, h, T, D, D, pairs);
}

inline void store_element(float* p, float x) { *p = x; }
inline void store_element(std::uint16_t* p, float x) {
  alignas(kLine) float many[kWidth] = {x};
  std::uint16_t out[kWidth];
  store_rounded(out, load(many));
  *p = out[0];
}
inline void store_vector(float* p, Vector x) { __builtin_memcpy(p, &x, sizeof x); }
inline void store_vector(std::uint16_t* p, Vector x) { store_rounded(p, x); }
inline Vector load_vector(const float* p) {
  Vector x;
  __builtin_memcpy(&x, p, sizeof x);
  return x;
}
inline Vector load_vector(const std::uint16_t* p) { return load_widened(p); }
inline float number(float x) { return x; }
inline float number(std::uint16_t x) {
  const uint32_t bits = static_cast<uint32_t>(x) << 16;
  float result;
  __builtin_memcpy(&result, &bits, sizeof result);
  return result;
}

// n numbers from `from` to an output row.
template <class T>
void write_row(const float* from, int64_t n, T* to) {
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) store_vector(to + i, load_vector(from + i));
  for (; i < n; ++i) store_element(to + i, from[i]);
}

// [D, 64] with a query a lane to rows [n, width] of a channel a lane; width is a multiple of kWidth.
inline void turn_back(const float* from, int64_t n, int64_t width, float* to) {
  for (int64_t t = 0; t < n; t += kWidth)
    for (int64_t d = 0; d < width; d += kWidth)
      transpose(reinterpret_cast<const uint32_t*>(from) + d * kBlock + t, kBlock,
                reinterpret_cast<uint32_t*>(to) + t * width + d, width);
}

// ---- buffers ----

// Cuts aligned buffers from one block; without a block it only adds up the bytes.
class Arena {
 public:
  explicit Arena(void* start) : start_(static_cast<char*>(start)) {}
  float* take(int64_t numbers) {
    char* place = start_ == nullptr ? nullptr : start_ + used_;
    used_ += static_cast<std::size_t>(up_to_multiple(numbers * 4, kLine));
    return reinterpret_cast<float*>(place);
  }
  std::size_t used() const { return used_; }

 private:
  char* start_;
  std::size_t used_ = 0;
};

}  // namespace
