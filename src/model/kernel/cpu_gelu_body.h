// GELU and its gradient, a vector at a time. Include after a vector_*.h.
#pragma once

#include "model/kernel/tile_products.h"

namespace {

struct Gelu {
  Vector value, slope;  // u, du/da
};

// Φ(a) = 1 - q(|a|) or q(|a|), q by Abramowitz and Stegun 7.1.26: error at most 8e-8.
inline Gelu exact_gelu(Vector a) {
  const Vector size = largest(a, spread(0) - a);
  const Vector t = spread(1) / fma(spread(0.3275911f * 0.70710678f), size, spread(1));
  Vector p = fma(spread(1.061405429f), t, spread(-1.453152027f));
  p = fma(p, t, spread(1.421413741f));
  p = fma(p, t, spread(-0.284496736f));
  p = fma(p, t, spread(0.254829592f));
  const Vector bell = exp2(a * a * spread(-0.5f * kLog2E));
  const Vector q = p * t * bell * spread(0.5f);
  const Vector phi = where_greater(a, spread(0), spread(1) - q, q);
  return {a * phi, fma(a * spread(0.39894228f), bell, phi)};
}

// a·σ(y), y = 2k(a + c·a³), which is a/2·(1 + tanh(y/2)).
inline Gelu tanh_gelu(Vector a) {
  const Vector twice_k = spread(1.5957691f), c = spread(0.044715f), square = a * a;
  const Vector y = twice_k * a * fma(c, square, spread(1));
  const Vector small = exp2(largest(y, spread(0) - y) * spread(-kLog2E));
  const Vector reciprocal = spread(1) / (spread(1) + small);
  const Vector sigma = where_greater(y, spread(0), reciprocal, small * reciprocal);
  const Vector rise = twice_k * fma(spread(3) * c, square, spread(1)) * small * reciprocal * reciprocal;
  return {a * sigma, fma(a, rise, sigma)};
}

inline Gelu gelu_of(const GeluProblem& p, Vector a) { return p.tanh ? tanh_gelu(a) : exact_gelu(a); }

// f(a, grad_output, out) on vectors, the last elements among zeros.
template <class Number, class Function>
void for_vectors(const void* a, const void* grad_output, void* out, int64_t n, const Function& f) {
  const auto* in = static_cast<const Number*>(a);
  const auto* from = static_cast<const Number*>(grad_output);
  auto* result = static_cast<Number*>(out);
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) f(in + i, from + i, result + i);
  if (i == n) return;
  alignas(kLine) Number rest[3][kWidth] = {};
  const auto bytes = static_cast<std::size_t>(n - i) * sizeof(Number);
  __builtin_memcpy(rest[0], in + i, bytes);
  __builtin_memcpy(rest[1], from + i, bytes);
  f(rest[0], rest[1], rest[2]);
  __builtin_memcpy(result + i, rest[2], bytes);
}

template <class Number>
void gelu(const GeluProblem& p, const void* a, void* u, int64_t n) {
  for_vectors<Number>(a, a, u, n, [&p](const Number* in, const Number*, Number* out) {
    store_vector(out, gelu_of(p, load_vector(in)).value);
  });
}

template <class Number>
void gelu_gradient(const GeluProblem& p, const void* a, const void* grad_output, void* gradient, int64_t n) {
  for_vectors<Number>(a, grad_output, gradient, n, [&p](const Number* in, const Number* from, Number* out) {
    store_vector(out, gelu_of(p, load_vector(in)).slope * load_vector(from));
  });
}

}  // namespace
