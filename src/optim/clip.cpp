// On the CPU loops over pieces of a fixed size, which are what threads share; elsewhere tensor operations.
#include "optim/clip.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include <ATen/Parallel.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ne.h>
#include <ATen/ops/neg.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>

namespace kablate {
namespace {

// A run of elements of one tensor.
struct Piece {
  std::size_t tensor;
  std::int64_t start, size;
};

std::vector<Piece> pieces_of(const std::vector<at::Tensor>& tensors) {
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < tensors.size(); ++i)
    for (std::int64_t start = 0; start < tensors[i].numel(); start += kNormPiece)
      pieces.push_back({i, start, std::min(kNormPiece, tensors[i].numel() - start)});
  return pieces;
}

// f(piece) for each, on all threads; what it returns, in order.
template <typename Result, typename Function>
std::vector<Result> map_pieces(const std::vector<Piece>& pieces, const Function& f) {
  std::vector<Result> results(pieces.size());
  at::parallel_for(0, static_cast<std::int64_t>(pieces.size()), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      results[static_cast<std::size_t>(i)] = f(pieces[static_cast<std::size_t>(i)]);
  });
  return results;
}

double sum_of_squares(const float* values, std::int64_t size) {
  // Eight sums that don't wait for each other; the compiler makes vectors of them.
  constexpr std::int64_t kLanes = 8;
  std::array<double, kLanes> lanes{};
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const double value = values[i + lane];
      lanes[static_cast<std::size_t>(lane)] += value * value;
    }
  for (; i < size; ++i) lanes[0] += static_cast<double>(values[i]) * values[i];
  return std::accumulate(lanes.begin(), lanes.end(), 0.0);
}

// Blocks in which nothing is cut, nearly all, cost one comparison an element.
std::int64_t clip_run(float* g, const float* v, std::int64_t size, float scale) {
  constexpr std::int64_t kBlock = 256;
  std::int64_t clipped = 0;
  for (std::int64_t start = 0; start < size; start += kBlock) {
    const std::int64_t end = std::min(start + kBlock, size);
    int over = 0;
    for (std::int64_t i = start; i < end; ++i) over += (g[i] * g[i] > scale * v[i]) & (v[i] > 0.0f);
    if (over == 0) continue;
    for (std::int64_t i = start; i < end; ++i)
      if (g[i] * g[i] > scale * v[i] && v[i] > 0.0f) g[i] = std::copysign(std::sqrt(scale * v[i]), g[i]);
    clipped += over;
  }
  return clipped;
}

bool all_on_cpu(const std::vector<at::Tensor>& tensors) {
  return std::all_of(tensors.begin(), tensors.end(), [](const auto& tensor) { return tensor.is_cpu(); });
}

}  // namespace

std::vector<double> piece_squares(const std::vector<at::Tensor>& gradients) {
  return map_pieces<double>(pieces_of(gradients), [&](const Piece& piece) {
    return sum_of_squares(gradients[piece.tensor].const_data_ptr<float>() + piece.start, piece.size);
  });
}

double norm_of_squares(const std::vector<double>& squares, const std::vector<std::int64_t>& elements) {
  double sum = 0;
  auto next = squares.begin();
  for (const auto count : elements) {
    const auto last = next + (count + kNormPiece - 1) / kNormPiece;
    sum += std::accumulate(next, last, 0.0);
    next = last;
  }
  return std::sqrt(sum);
}

double global_norm(const std::vector<at::Tensor>& gradients) {
  if (!all_on_cpu(gradients)) return global_norm_by_tensors(gradients);
  std::vector<std::int64_t> elements;
  for (const auto& gradient : gradients) elements.push_back(gradient.numel());
  return norm_of_squares(piece_squares(gradients), elements);
}

double global_norm_by_tensors(const std::vector<at::Tensor>& gradients) {
  return norm_of_norms(tensor_norms(gradients));
}

std::vector<double> tensor_norms(const std::vector<at::Tensor>& gradients) {
  if (gradients.empty()) return {};
  const auto norms = at::stack(at::_foreach_norm(gradients)).to(at::kCPU, at::kDouble);  // one transfer
  const auto* first = norms.const_data_ptr<double>();
  return {first, first + norms.numel()};
}

// Added here, since the order of a device's own sum would depend on the number of tensors.
double norm_of_norms(const std::vector<double>& norms) {
  double sum = 0;
  for (const double norm : norms) sum += std::pow(norm, 2);
  return std::sqrt(sum);
}

bool clip_by_norm(const std::vector<at::Tensor>& gradients, double norm, double max_norm) {
  if (!(max_norm > 0 && norm > max_norm)) return false;
  if (!gradients.empty()) at::_foreach_mul_(gradients, max_norm / norm);  // else only others have some
  return true;
}

std::int64_t clip_elements(const std::vector<at::Tensor>& gradients,
                           const std::vector<at::Tensor>& second_moments, double scale) {
  if (!all_on_cpu(gradients)) return clip_elements_by_tensors(gradients, second_moments, scale);
  const auto counts = map_pieces<std::int64_t>(pieces_of(gradients), [&](const Piece& piece) {
    return clip_run(gradients[piece.tensor].mutable_data_ptr<float>() + piece.start,
                    second_moments[piece.tensor].const_data_ptr<float>() + piece.start, piece.size,
                    static_cast<float>(scale));
  });
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

std::int64_t clip_elements_by_tensors(const std::vector<at::Tensor>& gradients,
                                      const std::vector<at::Tensor>& second_moments, double scale) {
  if (gradients.empty()) return 0;
  std::vector<at::Tensor> counts;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    const auto &g = gradients[i], &v = second_moments[i];
    const auto limit =
        at::where(at::gt(v, 0), at::mul(v, scale).sqrt_(), std::numeric_limits<float>::infinity());
    const auto cut = at::clamp(g, at::neg(limit), limit);
    counts.push_back(at::sum(at::ne(cut, g)));
    g.copy_(cut);
  }
  return at::sum(at::stack(counts)).item<std::int64_t>();
}

}  // namespace kablate
