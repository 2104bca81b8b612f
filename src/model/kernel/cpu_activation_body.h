// Activations and their gradients, a vector at a time. Include after a vector_*.h.
#pragma once

#include "model/kernel/tile_products.h"

namespace {

struct Activated {
  Vector value, slope;  // u, du/da
};

// Φ(a) = 1 - q(|a|) or q(|a|), q by Abramowitz and Stegun 7.1.26: error at most 8e-8.
inline Activated exact_gelu(Vector a) {
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
inline Activated tanh_gelu(Vector a) {
  const Vector twice_k = spread(1.5957691f), c = spread(0.044715f), square = a * a;
  const Vector y = twice_k * a * fma(c, square, spread(1));
  const Vector small = exp2(largest(y, spread(0) - y) * spread(-kLog2E));
  const Vector reciprocal = spread(1) / (spread(1) + small);
  const Vector sigma = where_greater(y, spread(0), reciprocal, small * reciprocal);
  const Vector rise = twice_k * fma(spread(3) * c, square, spread(1)) * small * reciprocal * reciprocal;
  return {a * sigma, fma(a, rise, sigma)};
}

inline Activated squared_relu(Vector a) {
  const Vector positive = largest(spread(0), a);  // a where it is no number
  return {positive * positive, positive + positive};
}

template <ActivationKind kKind>
inline Activated activated(Vector a) {
  if constexpr (kKind == ActivationKind::kGelu) return exact_gelu(a);
  if constexpr (kKind == ActivationKind::kGeluTanh) return tanh_gelu(a);
  return squared_relu(a);
}

// silu(g) = g·σ(g), and its derivative σ(g)·(1 + g·(1 - σ(g))).
inline Activated silu(Vector g) {
  const Vector small = exp2(largest(g, spread(0) - g) * spread(-kLog2E));
  const Vector reciprocal = spread(1) / (spread(1) + small), rest = small * reciprocal;
  const Vector sigma = where_greater(g, spread(0), reciprocal, rest),
               other = where_greater(g, spread(0), rest, reciprocal);  // 1 - σ
  return {g * sigma, sigma * fma(g, other, spread(1))};
}

// f(in, out) on vectors of `Ins` inputs and `Outs` results, the last elements among zeros.
template <int Ins, int Outs, class Number, class Function>
void for_vectors(const void* const (&inputs)[Ins], void* const (&results)[Outs], int64_t n,
                 const Function& f) {
  const Number* in[Ins];
  Number* out[Outs];
  const auto at = [&](int64_t i) {
    for (int j = 0; j < Ins; ++j) in[j] = static_cast<const Number*>(inputs[j]) + i;
    for (int j = 0; j < Outs; ++j) out[j] = static_cast<Number*>(results[j]) + i;
  };
  int64_t i = 0;
  for (; i + kWidth <= n; i += kWidth) {
    at(i);
    f(in, out);
  }
  if (i == n) return;
  at(i);
  alignas(kLine) Number given[Ins][kWidth] = {}, made[Outs][kWidth];
  const auto bytes = static_cast<std::size_t>(n - i) * sizeof(Number);
  Number* whole[Outs];
  for (int j = 0; j < Ins; ++j) {
    __builtin_memcpy(given[j], in[j], bytes);
    in[j] = given[j];
  }
  for (int j = 0; j < Outs; ++j) whole[j] = made[j];
  f(in, whole);
  for (int j = 0; j < Outs; ++j) __builtin_memcpy(out[j], made[j], bytes);
}

template <ActivationKind kKind, class Number>
void curve(const void* a, void* u, int64_t n) {
  for_vectors<1, 1, Number>({a}, {u}, n, [](const Number* const* in, Number* const* out) {
    store_vector(out[0], activated<kKind>(load_vector(in[0])).value);
  });
}

template <ActivationKind kKind, class Number>
void curve_gradient(const void* a, const void* grad_output, void* gradient, int64_t n) {
  for_vectors<2, 1, Number>({a, grad_output}, {gradient}, n, [](const Number* const* in, Number* const* out) {
    store_vector(out[0], activated<kKind>(load_vector(in[0])).slope * load_vector(in[1]));
  });
}

template <class Number>
void activation(const ActivationProblem& p, const void* a, const void* gate, void* u, int64_t n) {
  switch (p.kind) {
    case ActivationKind::kGelu:
      return curve<ActivationKind::kGelu, Number>(a, u, n);
    case ActivationKind::kGeluTanh:
      return curve<ActivationKind::kGeluTanh, Number>(a, u, n);
    case ActivationKind::kRelu2:
      return curve<ActivationKind::kRelu2, Number>(a, u, n);
    case ActivationKind::kSwiglu:
      break;
  }
  for_vectors<2, 1, Number>({a, gate}, {u}, n, [](const Number* const* in, Number* const* out) {
    store_vector(out[0], silu(load_vector(in[1])).value * load_vector(in[0]));
  });
}

template <class Number>
void activation_gradient(const ActivationProblem& p, const void* a, const void* gate, const void* grad_output,
                         void* grad_a, void* grad_gate, int64_t n) {
  switch (p.kind) {
    case ActivationKind::kGelu:
      return curve_gradient<ActivationKind::kGelu, Number>(a, grad_output, grad_a, n);
    case ActivationKind::kGeluTanh:
      return curve_gradient<ActivationKind::kGeluTanh, Number>(a, grad_output, grad_a, n);
    case ActivationKind::kRelu2:
      return curve_gradient<ActivationKind::kRelu2, Number>(a, grad_output, grad_a, n);
    case ActivationKind::kSwiglu:
      break;
  }
  for_vectors<3, 2, Number>({a, gate, grad_output}, {grad_a, grad_gate}, n,
                            [](const Number* const* in, Number* const* out) {
                              const Activated of_gate = silu(load_vector(in[1]));
                              const Vector from = load_vector(in[2]);
                              store_vector(out[0], from * of_gate.value);
                              store_vector(out[1], from * load_vector(in[0]) * of_gate.slope);
                            });
}

}  // namespace
