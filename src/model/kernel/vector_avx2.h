// Eight floats: the names that the kernels is written in, on AVX2 with FMA. bfloat16 is widened and
// multiplied in float32.
#pragma once

#include <cstdint>

#include <immintrin.h>

namespace {

using Vector = __m256;
constexpr int kWidth = 8;    // floats in a vector
constexpr int kColumns = 2;  // vectors side by side in a tile

inline Vector load(const float* p) { return _mm256_load_ps(p); }
inline void store(float* p, Vector x) { _mm256_store_ps(p, x); }
inline Vector spread(float x) { return _mm256_set1_ps(x); }
inline Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
inline Vector fms(Vector a, Vector b, Vector c) { return _mm256_fmsub_ps(a, b, c); }
inline Vector largest(Vector a, Vector b) { return _mm256_max_ps(a, b); }  // b where one is no number

inline bool any_greater(Vector a, Vector b) {
  return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ)) != 0;
}
// Lane by lane: a > b ? x : y.
inline Vector where_greater(Vector a, Vector b, Vector x, Vector y) {
  return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

// x where the lane's number is at least `first`, `other` elsewhere.
inline Vector from_lane(int first, Vector x, Vector other) {
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i before = _mm256_cmpgt_epi32(_mm256_set1_epi32(first), lane);
  return _mm256_blendv_ps(x, other, _mm256_castsi256_ps(before));
}

// 2^x, relative error 2e-7; exactly 0 below -126.
inline Vector exp2(Vector x) {
  const Vector least = spread(-126.0f);
  const Vector bounded = _mm256_max_ps(least, x);
  const Vector whole = _mm256_round_ps(bounded, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const Vector f = _mm256_sub_ps(bounded, whole);
  Vector p = fma(spread(1.3400432e-3f), f, spread(9.6721717e-3f));
  p = fma(p, f, spread(5.5503272e-2f));
  p = fma(p, f, spread(2.4022228e-1f));
  p = fma(p, f, spread(6.9314721e-1f));
  p = fma(p, f, spread(1.0f));
  const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
  const Vector scaled = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
  const Vector number = _mm256_blendv_ps(scaled, x, _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_andnot_ps(_mm256_cmp_ps(x, least, _CMP_LT_OQ), number);
}

// Eight rows of eight 32-bit elements become columns; strides in elements.
inline void transpose(const std::uint32_t* from, std::int64_t from_stride, std::uint32_t* to,
                      std::int64_t to_stride) {
  for (int i = 0; i < 8; ++i)
    for (int j = 0; j < 8; ++j) to[j * to_stride + i] = from[i * from_stride + j];
}

// The bits of bfloat16 in the low half of each lane, rounded to nearest even.
inline __m256i rounded(Vector x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i no_number = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_srli_epi32(_mm256_blendv_epi8(up, _mm256_set1_epi32(0x7fc00000), no_number), 16);
}

// bfloat16: rounded to nearest even.
inline void store_rounded(std::uint16_t* p, Vector x) {
  const __m256i wide = rounded(x);
  const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), half);
}
inline Vector load_widened(const std::uint16_t* p) {
  const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
// Lane by lane the pair (low, high) of rounded numbers.
inline void store_pairs(std::uint32_t* p, Vector low, Vector high) {
  const __m256i pair = _mm256_or_si256(_mm256_slli_epi32(rounded(high), 16), rounded(low));
  _mm256_store_si256(reinterpret_cast<__m256i*>(p), pair);
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
  static Vector low(__m256i pair) { return _mm256_castsi256_ps(_mm256_slli_epi32(pair, 16)); }
  static Vector high(__m256i pair) {
    return _mm256_castsi256_ps(_mm256_and_si256(pair, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
  }
  static Vector multiply_add(const void* a, const void* b, Vector sum) {
    std::int32_t bits;
    __builtin_memcpy(&bits, a, sizeof bits);
    const __m256i one = _mm256_set1_epi32(bits), many = _mm256_load_si256(static_cast<const __m256i*>(b));
    return fma(high(one), high(many), fma(low(one), low(many), sum));
  }
};

}  // namespace
