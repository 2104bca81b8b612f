// The pieces of the reference model that are no wiring, in double precision. A Matrix is a row a position.
#pragma once

#include <cstdint>
#include <vector>

#include "config/model_options.h"

namespace kablate::reference {

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

// A tensor, row after row; linear maps are [out, in].
struct Weight {
  std::vector<std::int64_t> shape;
  Vector values;
};

// Which positions a position sees: those up to its own, or all; of them those that are kept.
struct Sight {
  bool causal = true;
  std::vector<bool> keep = {};  // empty: all
  bool sees(std::size_t t, std::size_t s) const { return (!causal || s <= t) && (keep.empty() || keep[s]); }
};

Matrix zeros(std::size_t rows, std::size_t columns);
void add(Matrix& x, const Matrix& y, double factor = 1);  // x <- x + factor·y

// y[t][o] = Σ_i x[t][i] W[o][i] + b[o]
Matrix linear(const Matrix& x, const Weight& w, const Weight* bias = nullptr);
// By maps [n, out, in], each of `shared` heads beside each other, of H: head h by the map g = h / shared,
// y[h·out + o] = Σ_i x[h·in + i]·W_g[o][i] + b_g[o]
Matrix linear_by_head(const Matrix& x, const Weight& maps, const Weight* bias, std::size_t H,
                      std::size_t shared);

// (x - mean) / √(variance + 1e-5) · scale + shift, over each row
Matrix layer_norm(const Matrix& x, const Vector& scale, const Weight* shift);

// x / √(mean of x² + epsilon) · scale, over each row
Matrix rms_norm(const Matrix& x, const Vector& scale, double epsilon = 1e-5);

// Columns (first + i, first + i + width/2) of row t turned by the angle t·base^(-2i/width).
void rotate(Matrix& x, std::size_t first, std::size_t width, double base);

double activate(Activation activation, double a);  // of one number: not kSwiglu

// Each row t over the s that it sees; 0 elsewhere, and in a row that sees none.
Matrix softmax(const Matrix& scores, const Sight& sight);

// value <- f(value) of all.
template <typename Function>
void each(Matrix& x, Function f) {
  for (auto& row : x)
    for (auto& value : row) value = f(value);
}

// [T][E]: the state with the code of each place, for even E or odd, sin and cos of t·10000^(-i/(E/2 - 1)).
Matrix with_place_codes(const Vector& state, std::size_t T);

// out[t][c] += Σ_s weights[t][s]·x[s][shift + c], for columns c from `first` to before `end`
void route(const Matrix& weights, const Matrix& x, std::size_t first, std::size_t end, Matrix& out,
           std::size_t shift = 0);

// Row t: the mean of the rows that the pooling takes for it.
Matrix pooled(const Matrix& x, GatePool pool, const Sight& sight);

// 1 at the k largest of the row[s] that t sees, the lower column winning a tie; 0 elsewhere. `margin` is
// lowered to the relative distance between the last kept weight and the first that is not.
Vector keep_top_k(const Vector& row, std::size_t t, std::size_t k, double& margin, const Sight& sight = {});

// 1 where row[s] >= threshold · √(mean over the s that t sees of row[s]²); `margin` likewise.
Vector keep_rms(const Vector& row, std::size_t t, double threshold, double& margin, const Sight& sight = {});

// Which are the k largest, of equal ones the lower, in their order; `margin` likewise.
std::vector<std::size_t> largest(const Vector& p, std::size_t k, double& margin);

// Mean of -log softmax(logits)[target] over the positions of all sequences.
double cross_entropy(const std::vector<Matrix>& logits,
                     const std::vector<std::vector<std::int64_t>>& targets);

}  // namespace kablate::reference
