// Sixteen floats: the names that the kernels is written in, on AVX-512 with AVX512_BF16.
#pragma once

#include <cstdint>

#include <immintrin.h>

// GCC 12 warns of the undefined sources inside its own intrinsics (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace {

using Vector = __m512;
constexpr int kWidth = 16;   // floats in a vector
constexpr int kColumns = 4;  // vectors side by side in a tile

inline Vector load(const float* p) { return _mm512_load_ps(p); }
inline void store(float* p, Vector x) { _mm512_store_ps(p, x); }
inline Vector spread(float x) { return _mm512_set1_ps(x); }
inline Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
inline Vector fms(Vector a, Vector b, Vector c) { return _mm512_fmsub_ps(a, b, c); }
inline Vector largest(Vector a, Vector b) { return _mm512_max_ps(a, b); }  // b where one is no number

inline bool any_greater(Vector a, Vector b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ) != 0; }
// Lane by lane: a > b ? x : y.
inline Vector where_greater(Vector a, Vector b, Vector x, Vector y) {
  return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_GT_OQ), y, x);
}

// x where the lane's number is at least `first`, `other` elsewhere.
inline Vector from_lane(int first, Vector x, Vector other) {
  const __mmask16 mask = first <= 0 ? 0xffff : first >= 16 ? 0 : static_cast<__mmask16>(0xffff << first);
  return _mm512_mask_blend_ps(mask, other, x);
}

// 2^x, relative error 2e-7; exactly 0 below -200.
inline Vector exp2(Vector x) {
  const Vector bounded = _mm512_max_ps(spread(-200.0f), x);
  const Vector whole = _mm512_roundscale_ps(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vector f = _mm512_sub_ps(bounded, whole);
  Vector p = fma(spread(1.3400432e-3f), f, spread(9.6721717e-3f));
  p = fma(p, f, spread(5.5503272e-2f));
  p = fma(p, f, spread(2.4022228e-1f));
  p = fma(p, f, spread(6.9314721e-1f));
  p = fma(p, f, spread(1.0f));
  return _mm512_scalef_ps(p, whole);
}

// Sixteen rows of sixteen 32-bit elements become columns; strides in elements.
inline void transpose(const std::uint32_t* from, std::int64_t from_stride, std::uint32_t* to,
                      std::int64_t to_stride) {
  __m512i r[16], t[16];
  for (int i = 0; i < 16; ++i) r[i] = _mm512_loadu_si512(from + i * from_stride);
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
  for (int i = 0; i < 4; ++i) {
    r[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
  for (int i = 0; i < 16; ++i) _mm512_storeu_si512(to + i * to_stride, r[i]);
}

// bfloat16: rounded to nearest even.
inline void store_rounded(std::uint16_t* p, Vector x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
}
inline Vector load_widened(const std::uint16_t* p) {
  const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
// Lane by lane the pair (low, high) of rounded numbers.
inline void store_pairs(std::uint32_t* p, Vector low, Vector high) {
  const auto widen = [](Vector x) {
    return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(x)));
  };
  _mm512_store_si512(p, _mm512_or_si512(_mm512_slli_epi32(widen(high), 16), widen(low)));
}

// sum + a·b, a one number for all lanes.
struct Float32 {
  static constexpr bool kPairs = false;
  using Element = float;
  static Vector multiply_add(const void* a, const void* b, Vector sum) {
    return fma(spread(*static_cast<const float*>(a)), load(static_cast<const float*>(b)), sum);
  }
};

// sum + a₀·b₀ + a₁·b₁, a one pair for all lanes.
struct BFloat16 {
  static constexpr bool kPairs = true;
  using Element = std::uint16_t;
  static Vector multiply_add(const void* a, const void* b, Vector sum) {
    std::int32_t pair;
    __builtin_memcpy(&pair, a, sizeof pair);
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(_mm512_set1_epi32(pair)),
                            reinterpret_cast<__m512bh>(_mm512_load_si512(b)));
  }
};

}  // namespace
