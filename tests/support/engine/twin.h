// Random numbers with their float64 twins, for tests of what computes in fewer digits.
#pragma once

#include <cstdint>

#include <ATen/ATen.h>

namespace kablate {

// Drawn once, or KABLATE_TEST_SEED; printed.
std::uint32_t seed_of_this_run();

// A leaf, and the same numbers in float64 as another.
struct Twin {
  Twin(at::IntArrayRef shape, at::ScalarType type)
      : own(at::randn(shape).to(type).set_requires_grad(true)),
        exact(own.detach().to(at::kDouble).set_requires_grad(true)) {}
  at::Tensor own, exact;
};

// ‖x - exact‖ / ‖exact‖
double gap(const at::Tensor& x, const at::Tensor& exact);

}  // namespace kablate
