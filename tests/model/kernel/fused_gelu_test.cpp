// GELU by kernels against at::gelu in float64, values and gradients.
#include "model/kernel/fused_gelu.h"

#include <limits>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/engine/kernel_test.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

constexpr double kFloatGap = 3e-7;

// Rounding to bfloat16's 8 bits moves a number by at most 2^-8 of itself. |u| <= |a|, and the derivative is
// at most 1.13; of many numbers the error's root mean square, 0.42 of the most, is what is left, and its
// fluctuation.
double half_gap(std::int64_t n) { return n < 1000 ? 1.13 * 0x1p-8 : 0x1p-8 / 2; }

class FusedGelu : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cpu, FusedGelu, each_instruction_set(), instruction_set);

const char* approximation(bool tanh) { return tanh ? "tanh" : "none"; }

// Sizes that end within a vector and within a piece, beginning at any element, large and small numbers.
TEST_P(FusedGelu, AgreesWithFloat64InValuesAndGradients) {
  for (const auto type : {at::kFloat, at::kBFloat16})
    for (const bool tanh : {false, true})
      for (const std::int64_t n : {1, 15, 100, 20011})
        for (const double size : {0.01, 1.0, 8.0}) {
          SCOPED_TRACE(testing::Message() << at::toString(type) << ", tanh " << tanh << ", " << n
                                          << " elements of order " << size);
          const Tensor numbers = (at::randn({n + 1}) * size).to(type);
          const Tensor a = numbers.detach().clone().set_requires_grad(true),
                       exact = numbers.to(at::kDouble).set_requires_grad(true);
          const Tensor u = gelu(a.narrow(0, 1, n), tanh),
                       expected = at::gelu(exact.narrow(0, 1, n), approximation(tanh));
          const double most = type == at::kFloat ? kFloatGap : kFloatGap + half_gap(n);
          ASSERT_EQ(u.scalar_type(), type);
          // The norm of the numbers that went in: of large negative ones alone hardly anything comes out.
          EXPECT_LE((u.to(at::kDouble) - expected).norm().item<double>(), most * exact.norm().item<double>());
          const Tensor above = at::randn({n}).to(type);
          u.backward(above);
          expected.backward(above.to(at::kDouble));
          EXPECT_LE((a.grad().to(at::kDouble) - exact.grad()).norm().item<double>(),
                    most * above.to(at::kDouble).norm().item<double>());
        }
}

TEST_P(FusedGelu, KeepsWhatIsNoNumberAndWhatIsHuge) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Tensor a = at::tensor({std::numeric_limits<float>::quiet_NaN(), kInfinity, 1e30F, -1e30F, 0.0F});
  for (const bool tanh : {false, true}) {
    const Tensor u = gelu(a, tanh);
    EXPECT_TRUE(u[0].isnan().item<bool>());
    EXPECT_EQ(u[2].item<float>(), 1e30F);
    EXPECT_EQ(u[3].item<float>(), 0);
    EXPECT_EQ(u[4].item<float>(), 0);
  }
  EXPECT_EQ(gelu(a, false)[1].item<float>(), kInfinity);
}

TEST_P(FusedGelu, HasTheSameBitsOnAnyNumberOfThreads) {
  const Tensor a = at::randn({50000});
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor one = gelu(a, false);
  at::set_num_threads(3);
  EXPECT_TRUE(at::equal(one, gelu(a, false)));
  at::set_num_threads(before);
}

}  // namespace
}  // namespace kablate
