// Layer normalisation and RMSNorm of a sum and their gradients, a row at a time. Include after a vector_*.h.
#pragma once

#include "model/kernel/tile_products.h"

namespace {

// f(element, numbers of the vector that begins there).
template <class Function>
inline void for_row(int64_t E, const Function& f) {
  for (int64_t i = 0; i < E; i += kWidth) f(i, smaller(kWidth, E - i));
}

// The first n numbers of a vector, and zeros.
template <class Number>
inline Vector load_some(const Number* p, int64_t n) {
  if (n == kWidth) return load_vector(p);
  Number some[kWidth] = {};
  __builtin_memcpy(some, p, static_cast<std::size_t>(n) * sizeof(Number));
  return load_vector(some);
}
template <class Number>
inline void store_some(Number* p, Vector x, int64_t n) {
  if (n == kWidth) return store_vector(p, x);
  Number some[kWidth];
  store_vector(some, x);
  __builtin_memcpy(p, some, static_cast<std::size_t>(n) * sizeof(Number));
}

// x in the first n lanes, 0 elsewhere.
inline Vector some_of(Vector x, int64_t n) { return from_lane(static_cast<int>(n), spread(0), x); }

inline float total(Vector x) {
  float lanes[kWidth];
  store_vector(lanes, x);
  for (int width = kWidth / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lanes[i] += lanes[i + width];
  return lanes[0];
}

// The row x + added, and its sum.
template <class Added>
float add_row(int64_t E, const float* x, const Added* added, float* sum) {
  Vector all = spread(0);
  for_row(E, [&](int64_t i, int64_t n) {
    Vector value = load_some(x + i, n);
    if (added != nullptr) {
      value = value + load_some(added + i, n);
      store_some(sum + i, value, n);
    }
    all = all + value;
  });
  return total(all);
}

// 1/sqrt(variance + epsilon); no number where the variance is beyond float32: 1/sqrt(inf) = 0 would hide a
// model that has diverged behind a norm of zeros without a gradient.
inline float scale_of(float variance, float epsilon) {
  return variance <= __FLT_MAX__ ? 1 / __builtin_sqrtf(variance + epsilon) : __builtin_nanf("");
}

// The weight of a vector's channels.
inline Vector weight_of(const NormProblem& p, int64_t i, int64_t n) {
  return p.weight == nullptr ? spread(1) : load_some(p.weight + i, n);
}

// Two passes over the row, which is in the cache: differences from the mean lose no digits.
template <class Added, class Normed>
void norm_rows(const NormProblem& p, const NormForward& f, int64_t first, int64_t count) {
  for (int64_t row = first; row < first + count; ++row) {
    const auto* added = static_cast<const Added*>(f.added);
    const float* x = f.x + row * p.E;
    float* sum = added == nullptr ? nullptr : f.sum + row * p.E;
    const float all = add_row(p.E, x, added == nullptr ? nullptr : added + row * p.E, sum);
    const float mean = p.rms ? 0 : all / static_cast<float>(p.E);
    const float* values = added == nullptr ? x : sum;
    Vector squares = spread(0);
    for_row(p.E, [&](int64_t i, int64_t n) {
      const Vector d = some_of(load_some(values + i, n) - spread(mean), n);
      squares = fma(d, d, squares);
    });
    const float scale = scale_of(total(squares) / static_cast<float>(p.E), p.epsilon);
    auto* normed = static_cast<Normed*>(f.normed) + row * p.E;
    for_row(p.E, [&](int64_t i, int64_t n) {
      const Vector unit = (load_some(values + i, n) - spread(mean)) * spread(scale);
      const Vector shift = p.bias == nullptr ? spread(0) : load_some(p.bias + i, n);
      store_some(normed + i, fma(unit, weight_of(p, i, n), shift), n);
    });
    f.statistics[2 * row] = mean;
    f.statistics[2 * row + 1] = scale;
  }
}

// With n = (s - mean)·scale and g = grad_output·weight: scale·(g - mean(g) - n·mean(g·n)), of RMSNorm without
// mean(g).
template <class Added, class Normed>
void norm_gradient_rows(const NormProblem& p, const NormBackward& f, int64_t first, int64_t count) {
  for (int64_t row = first; row < first + count; ++row) {
    const auto* grad_output = static_cast<const Normed*>(f.normed_gradient) + row * p.E;
    const float* values = f.sum + row * p.E;
    const float mean = f.statistics[2 * row], scale = f.statistics[2 * row + 1];
    Vector all = spread(0), along = spread(0);
    for_row(p.E, [&](int64_t i, int64_t n) {
      const Vector from = load_some(grad_output + i, n), g = from * weight_of(p, i, n);
      const Vector unit = (load_some(values + i, n) - spread(mean)) * spread(scale);
      all = all + g;
      along = fma(g, unit, along);
      if (f.weight_gradient == nullptr) return;
      store_some(f.weight_gradient + i, fma(from, unit, load_some(f.weight_gradient + i, n)), n);
      store_some(f.bias_gradient + i, from + load_some(f.bias_gradient + i, n), n);
    });
    const Vector mean_g = spread(p.rms ? 0 : total(all) / static_cast<float>(p.E)),
                 mean_along = spread(total(along) / static_cast<float>(p.E));
    const float* straight = f.sum_gradient == nullptr ? nullptr : f.sum_gradient + row * p.E;
    float* x_gradient = f.x_gradient + row * p.E;
    auto* added_gradient =
        f.added_gradient == nullptr ? nullptr : static_cast<Added*>(f.added_gradient) + row * p.E;
    for_row(p.E, [&](int64_t i, int64_t n) {
      const Vector g = load_some(grad_output + i, n) * weight_of(p, i, n);
      const Vector unit = (load_some(values + i, n) - spread(mean)) * spread(scale);
      Vector gradient = (g - mean_g - unit * mean_along) * spread(scale);
      if (straight != nullptr) gradient = gradient + load_some(straight + i, n);
      store_some(x_gradient + i, gradient, n);
      if (added_gradient != nullptr) store_some(added_gradient + i, gradient, n);
    });
  }
}

// f(an added number, a normed one) of the problem's types.
template <class Function>
void with_types(const NormProblem& p, const Function& f) {
  if (p.added_bfloat16)
    p.normed_bfloat16 ? f(std::uint16_t(), std::uint16_t()) : f(std::uint16_t(), float());
  else
    p.normed_bfloat16 ? f(float(), std::uint16_t()) : f(float(), float());
}

inline void norm(const NormProblem& p, const NormForward& f, int64_t first, int64_t count) {
  with_types(
      p, [&](auto added, auto normed) { norm_rows<decltype(added), decltype(normed)>(p, f, first, count); });
}

inline void norm_gradient(const NormProblem& p, const NormBackward& f, int64_t first, int64_t count) {
  with_types(p, [&](auto added, auto normed) {
    norm_gradient_rows<decltype(added), decltype(normed)>(p, f, first, count);
  });
}

}  // namespace
