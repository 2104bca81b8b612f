// Heads of queries and keys, normed and turned by their position, and the gradient of that, a position at a
// time. Include after a vector_*.h.
#pragma once

#include "model/kernel/cpu_norm_body.h"

namespace {

// 1/sqrt(mean of squares + epsilon) of a head; 1 without a norm.
template <class Number>
float head_scale(const RotationProblem& p, const Number* x) {
  if (p.epsilon == 0) return 1;
  Vector squares = spread(0);
  for_row(p.D, [&](int64_t i, int64_t n) {
    const Vector value = load_some(x + i, n);
    squares = fma(value, value, squares);
  });
  return scale_of(total(squares) / static_cast<float>(p.D), p.epsilon);
}

// Pairs (a, b) of channels from `from` to (a·cos ∓ b·sin, b·cos ± a·sin) in `to`; `from` and `to` may be the
// same. `direction` is 1, or -1 for the way back.
template <class From, class To>
void rotate(const RotationProblem& p, const From* from, float scale, float direction, int64_t t, To* to) {
  const int64_t pairs = p.R / 2;
  for_row(pairs, [&](int64_t i, int64_t n) {
    const Vector cos = load_some(p.cos + t * pairs + i, n),
                 sin = load_some(p.sin + t * pairs + i, n) * spread(direction);
    const Vector a = load_some(from + i, n) * spread(scale),
                 b = load_some(from + pairs + i, n) * spread(scale);
    store_some(to + i, a * cos - b * sin, n);
    store_some(to + pairs + i, b * cos + a * sin, n);
  });
}

// A head: the first channels scaled alone, the last R turned as well.
template <class From, class To>
void turn_head(const RotationProblem& p, const From* from, float scale, float direction, int64_t t, To* to) {
  const int64_t still = p.D - p.R;
  for_row(still,
          [&](int64_t i, int64_t n) { store_some(to + i, load_some(from + i, n) * spread(scale), n); });
  rotate(p, from + still, scale, direction, t, to + still);
}

template <class Number>
void copy_others(const RotationProblem& p, const Number* from, Number* to) {
  if (from != to)
    __builtin_memcpy(to, from, static_cast<std::size_t>((p.J - p.turned) * p.D) * sizeof(Number));
}

template <class Number>
void rotation_rows(const RotationProblem& p, const void* x, void* y, int64_t first, int64_t count) {
  for (int64_t row = first; row < first + count; ++row) {
    const auto* from = static_cast<const Number*>(x) + row * p.J * p.D;
    auto* to = static_cast<Number*>(y) + row * p.J * p.D;
    for (int64_t h = 0; h < p.turned; ++h, from += p.D, to += p.D)
      turn_head(p, from, head_scale(p, from), 1, row % p.T, to);
    copy_others(p, from, to);
  }
}

// With n = x·scale and g the gradient turned back: scale·(g - n·mean(g·n)), as of RMSNorm.
template <class Number>
void head_gradient(const RotationProblem& p, const Number* x, const float* turned_back, Number* to) {
  const float scale = head_scale(p, x);
  Vector along = spread(0);
  for_row(p.D, [&](int64_t i, int64_t n) {
    along = fma(load_some(turned_back + i, n), load_some(x + i, n) * spread(scale), along);
  });
  const Vector mean_along = spread(total(along) / static_cast<float>(p.D));
  for_row(p.D, [&](int64_t i, int64_t n) {
    const Vector unit = load_some(x + i, n) * spread(scale);
    store_some(to + i, (load_some(turned_back + i, n) - unit * mean_along) * spread(scale), n);
  });
}

template <class Number>
void rotation_gradient_rows(const RotationProblem& p, const void* x, const void* y_gradient, void* x_gradient,
                            int64_t first, int64_t count) {
  float turned_back[kMostHeadWidth];
  for (int64_t row = first; row < first + count; ++row) {
    const auto* from = static_cast<const Number*>(y_gradient) + row * p.J * p.D;
    auto* to = static_cast<Number*>(x_gradient) + row * p.J * p.D;
    const auto* of = p.epsilon == 0 ? nullptr : static_cast<const Number*>(x) + row * p.J * p.D;
    for (int64_t h = 0; h < p.turned; ++h, from += p.D, to += p.D) {
      if (of == nullptr) {
        turn_head(p, from, 1, -1, row % p.T, to);
      } else {
        turn_head(p, from, 1, -1, row % p.T, turned_back);
        head_gradient(p, of + h * p.D, turned_back, to);
      }
    }
    copy_others(p, from, to);
  }
}

}  // namespace
