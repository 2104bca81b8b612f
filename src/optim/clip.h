// Gradients measured and cut, in place. All tensors are float32 and contiguous.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace kablate {

// n = sqrt(sum of g^2 over all tensors), in double. Each tensor's sum is made of pieces of a fixed size, and
// the sums are added in the order of the list: the number of threads and a tensor of zeros change no bit. Not
// finite if an element is not.
double global_norm(const std::vector<at::Tensor>& gradients);

// Its two halves on the CPU: the sum of g^2 of each piece of kNormPiece elements (a tensor's last one may be
// smaller), in order; and n of these, for tensors of so many elements.
constexpr std::int64_t kNormPiece = 16384;
std::vector<double> piece_squares(const std::vector<at::Tensor>& gradients);
double norm_of_squares(const std::vector<double>& squares, const std::vector<std::int64_t>& elements);

// Where norm > max_norm > 0: g <- g * (max_norm / norm), no epsilon added (PyTorch's clip_grad_norm_ adds
// 1e-6 to norm). Else leaves every bit alone. `norm` is what global_norm gave. True if it acted.
bool clip_by_norm(const std::vector<at::Tensor>& gradients, double norm, double max_norm);

// |g| <- min(|g|, sqrt(scale * v)), element by element, where v > 0 (spec, section 8, 1: scale = theta / (1 -
// beta2^n)). Returns how many elements were cut.
std::int64_t clip_elements(const std::vector<at::Tensor>& gradients,
                           const std::vector<at::Tensor>& second_moments, double scale);

// The same two by tensor operations alone: what GPUs use, and what the CPU's loops are tested against. The
// norm of a tensor is float32 here; it is not finite past 1e19 either.
double global_norm_by_tensors(const std::vector<at::Tensor>& gradients);
// Its two halves: the norm of each tensor, whatever others there are; and n of these.
std::vector<double> tensor_norms(const std::vector<at::Tensor>& gradients);
double norm_of_norms(const std::vector<double>& norms);
std::int64_t clip_elements_by_tensors(const std::vector<at::Tensor>& gradients,
                                      const std::vector<at::Tensor>& second_moments, double scale);

}  // namespace kablate
