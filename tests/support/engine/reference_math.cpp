#include "support/engine/reference_math.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace kablate::reference {

Matrix zeros(std::size_t rows, std::size_t columns) { return Matrix(rows, Vector(columns, 0)); }

// y[t][o] = Σ_i x[t][i] W[o][i] + b[o]
Matrix linear(const Matrix& x, const Weight& w, const Weight* bias) {
  const auto out = static_cast<std::size_t>(w.shape[0]), in = static_cast<std::size_t>(w.shape[1]);
  Matrix y = zeros(x.size(), out);
  for (std::size_t t = 0; t < x.size(); ++t)
    for (std::size_t o = 0; o < out; ++o) {
      double sum = bias != nullptr ? bias->values[o] : 0;
      for (std::size_t i = 0; i < in; ++i) sum += x[t][i] * w.values[o * in + i];
      y[t][o] = sum;
    }
  return y;
}

void add(Matrix& x, const Matrix& y, double factor) {
  for (std::size_t t = 0; t < x.size(); ++t)
    for (std::size_t i = 0; i < x[t].size(); ++i) x[t][i] += factor * y[t][i];
}

Matrix layer_norm(const Matrix& x, const Vector& scale, const Weight* shift) {
  Matrix y = x;
  for (auto& row : y) {
    const auto width = static_cast<double>(row.size());
    double mean = 0, variance = 0;
    for (const double value : row) mean += value / width;
    for (const double value : row) variance += (value - mean) * (value - mean) / width;
    for (std::size_t e = 0; e < row.size(); ++e) {
      row[e] = (row[e] - mean) / std::sqrt(variance + 1e-5) * scale[e];
      if (shift != nullptr) row[e] += shift->values[e];
    }
  }
  return y;
}

Matrix rms_norm(const Matrix& x, const Vector& scale, double epsilon) {
  Matrix y = x;
  for (auto& row : y) {
    double square = 0;
    for (const double value : row) square += value * value / static_cast<double>(row.size());
    for (std::size_t e = 0; e < row.size(); ++e) row[e] = row[e] / std::sqrt(square + epsilon) * scale[e];
  }
  return y;
}

void rotate(Matrix& x, std::size_t first, std::size_t width, double base) {
  for (std::size_t t = 0; t < x.size(); ++t)
    for (std::size_t i = 0; i < width / 2; ++i) {
      const double angle =
          static_cast<double>(t) * std::pow(base, -2 * static_cast<double>(i) / static_cast<double>(width));
      double &a = x[t][first + i], &b = x[t][first + i + width / 2];
      const double before = a;
      a = before * std::cos(angle) - b * std::sin(angle);
      b = b * std::cos(angle) + before * std::sin(angle);
    }
}

double activate(Activation activation, double a) {
  if (activation == Activation::kRelu2) return a > 0 ? a * a : 0;
  if (activation == Activation::kGelu) return 0.5 * a * (1 + std::erf(a / std::numbers::sqrt2));
  return 0.5 * a * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (a + 0.044715 * a * a * a)));
}

Matrix linear_by_head(const Matrix& x, const Weight& maps, const Weight* bias, std::size_t H,
                      std::size_t shared) {
  const auto out = static_cast<std::size_t>(maps.shape[1]), in = static_cast<std::size_t>(maps.shape[2]);
  Matrix y = zeros(x.size(), H * out);
  for (std::size_t t = 0; t < x.size(); ++t)
    for (std::size_t h = 0; h < H; ++h)
      for (std::size_t o = 0; o < out; ++o) {
        const std::size_t row = h / shared * out + o;
        double sum = bias != nullptr ? bias->values[row] : 0;
        for (std::size_t i = 0; i < in; ++i) sum += x[t][h * in + i] * maps.values[row * in + i];
        y[t][h * out + o] = sum;
      }
  return y;
}

Matrix with_place_codes(const Vector& state, std::size_t T) {
  const std::size_t half = state.size() / 2;
  Matrix x(T, state);
  for (std::size_t t = 0; t < T; ++t)
    for (std::size_t i = 0; i < half; ++i) {
      const double power = static_cast<double>(i) / static_cast<double>(half - 1);
      const double angle = static_cast<double>(t) / std::pow(10000.0, power);
      x[t][i] += std::sin(angle), x[t][half + i] += std::cos(angle);
    }
  return x;
}

Matrix softmax(const Matrix& scores, const Sight& sight) {
  const std::size_t columns = scores.at(0).size();
  Matrix p = zeros(scores.size(), columns);
  for (std::size_t t = 0; t < scores.size(); ++t) {
    double most = -std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t s = 0; s < columns; ++s)
      if (sight.sees(t, s)) most = std::max(most, scores[t][s]);
    for (std::size_t s = 0; s < columns; ++s)
      if (sight.sees(t, s)) sum += p[t][s] = std::exp(scores[t][s] - most);
    for (auto& value : p[t]) value /= sum > 0 ? sum : 1;
  }
  return p;
}

void route(const Matrix& weights, const Matrix& x, std::size_t first, std::size_t end, Matrix& out,
           std::size_t shift) {
  for (std::size_t t = 0; t < x.size(); ++t)
    for (std::size_t s = 0; s < x.size(); ++s)
      for (std::size_t c = first; c < end && weights[t][s] != 0; ++c)
        out[t][c] += weights[t][s] * x[s][shift + c];
}

Matrix pooled(const Matrix& x, GatePool pool, const Sight& sight) {
  Matrix mean = zeros(x.size(), x[0].size());
  const Sight all{.causal = sight.causal && pool == GatePool::kCausalMean, .keep = sight.keep};
  for (std::size_t t = 0; t < x.size(); ++t) {
    double count = 0;
    for (std::size_t s = 0; s < x.size(); ++s) {
      if (pool == GatePool::kToken ? s != t : !all.sees(t, s)) continue;
      ++count;
      for (std::size_t g = 0; g < x[s].size(); ++g) mean[t][g] += x[s][g];
    }
    for (auto& value : mean[t]) value /= std::max(count, 1.0);
  }
  return mean;
}

Vector keep_top_k(const Vector& row, std::size_t t, std::size_t k, double& margin, const Sight& sight) {
  Vector kept(row.size(), 0);
  double last = 0;
  for (std::size_t round = 0; round <= k; ++round) {  // one more than are kept, to see the distance
    std::size_t best = row.size();
    for (std::size_t s = 0; s < row.size(); ++s)
      if (sight.sees(t, s) && kept[s] == 0 && (best == row.size() || row[s] > row[best])) best = s;
    if (best == row.size()) break;
    if (round == k) {
      margin = std::min(margin, (last - row[best]) / last);
    } else {
      kept[best] = 1;
      last = row[best];
    }
  }
  return kept;
}

Vector keep_rms(const Vector& row, std::size_t t, double threshold, double& margin, const Sight& sight) {
  double squares = 0, count = 0;
  for (std::size_t s = 0; s < row.size(); ++s)
    if (sight.sees(t, s)) squares += row[s] * row[s], ++count;
  const double limit = threshold * std::sqrt(squares / std::max(count, 1.0));
  Vector kept(row.size(), 0);
  for (std::size_t s = 0; s < row.size(); ++s) {
    if (!sight.sees(t, s)) continue;
    kept[s] = row[s] >= limit ? 1 : 0;
    if (limit > 0) margin = std::min(margin, std::abs(row[s] - limit) / limit);
  }
  return kept;
}

std::vector<std::size_t> largest(const Vector& p, std::size_t k, double& margin) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  // Which of two chosen ones is the larger changes nothing.
  if (k < p.size()) margin = std::min(margin, (p[order[k - 1]] - p[order[k]]) / p[order[k - 1]]);
  order.resize(k);
  return order;
}

double cross_entropy(const std::vector<Matrix>& logits,
                     const std::vector<std::vector<std::int64_t>>& targets) {
  double total = 0, count = 0;
  for (std::size_t b = 0; b < logits.size(); ++b)
    for (std::size_t t = 0; t < logits[b].size(); ++t) {
      const auto& row = logits[b][t];
      const double most = *std::max_element(row.begin(), row.end());
      double sum = 0;
      for (const double z : row) sum += std::exp(z - most);
      total += most + std::log(sum) - row[static_cast<std::size_t>(targets[b][t])];
      ++count;
    }
  return total / count;
}

}  // namespace kablate::reference
