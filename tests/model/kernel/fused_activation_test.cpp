// Activations by kernels against LibTorch's operators in float64, values and gradients.
#include "model/kernel/fused_activation.h"

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

class FusedActivation : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cpu, FusedActivation, each_instruction_set(), instruction_set);

const char* approximation(bool tanh) { return tanh ? "tanh" : "none"; }

// Sizes that end within a vector and within a piece, beginning at any element, large and small numbers.
TEST_P(FusedActivation, GeluAgreesWithFloat64InValuesAndGradients) {
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

TEST_P(FusedActivation, KeepsWhatIsNoNumberAndWhatIsHuge) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const Tensor a = at::tensor({std::numeric_limits<float>::quiet_NaN(), kInfinity, 1e30F, -1e30F, 0.0F});
  for (const bool tanh : {false, true}) {
    const Tensor u = gelu(a, tanh);
    EXPECT_TRUE(u[0].isnan().item<bool>());
    EXPECT_EQ(u[2].item<float>(), 1e30F);
    EXPECT_EQ(u[3].item<float>(), 0);
    EXPECT_EQ(u[4].item<float>(), 0);
  }
  const Tensor squared = relu_squared(a), gated = swiglu(at::ones_like(a), a);
  EXPECT_TRUE(squared[0].isnan().item<bool>() && gated[0].isnan().item<bool>());
  EXPECT_EQ(squared[1].item<float>(), kInfinity);
  EXPECT_EQ(squared[3].item<float>(), 0);
  EXPECT_EQ(gated[2].item<float>(), 1e30F);
  EXPECT_EQ(gated[3].item<float>(), 0);
  EXPECT_EQ(gelu(a, false)[1].item<float>(), kInfinity);
}

// The slope is up to 2·|a|, the value up to a²: in units of those.
TEST_P(FusedActivation, Relu2AgreesWithFloat64InValuesAndGradients) {
  for (const auto type : {at::kFloat, at::kBFloat16})
    for (const std::int64_t n : {1, 15, 100, 20011}) {
      SCOPED_TRACE(testing::Message() << at::toString(type) << ", " << n << " elements");
      const Tensor numbers = (at::randn({n + 1}) * 2).to(type), above = at::randn({n}).to(type);
      const Tensor a = numbers.detach().clone().set_requires_grad(true),
                   exact = numbers.to(at::kDouble).set_requires_grad(true);
      const Tensor u = relu_squared(a.narrow(0, 1, n)), expected = at::relu(exact.narrow(0, 1, n)).square();
      const double most = type == at::kFloat ? kFloatGap : 0x1p-8;
      EXPECT_LE((u.to(at::kDouble) - expected).norm().item<double>(),
                most * exact.square().norm().item<double>());
      u.backward(above);
      expected.backward(above.to(at::kDouble));
      EXPECT_LE((a.grad().to(at::kDouble) - exact.grad()).norm().item<double>(),
                most * (2 * exact.narrow(0, 1, n) * above).norm().item<double>());
    }
}

// Both factors begin at any element, and neither lies contiguous.
TEST_P(FusedActivation, SwigluAgreesWithFloat64InValuesAndGradients) {
  for (const auto type : {at::kFloat, at::kBFloat16})
    for (const std::int64_t n : {1, 15, 100, 20011})
      for (const double size : {0.01, 1.0, 30.0}) {
        SCOPED_TRACE(testing::Message() << at::toString(type) << ", " << n << " gates of order " << size);
        const Tensor numbers = at::randn({n + 1, 2}).mul(at::tensor({1.0, size})).to(type),
                     above = at::randn({n}).to(type);
        const Tensor own = numbers.detach().clone().set_requires_grad(true),
                     exact = numbers.to(at::kDouble).set_requires_grad(true);
        const auto factor = [&](const Tensor& of, int which) { return of.select(1, which).narrow(0, 1, n); };
        const Tensor u = swiglu(factor(own, 0), factor(own, 1)),
                     expected = at::silu(factor(exact, 1)) * factor(exact, 0);
        ASSERT_EQ(u.scalar_type(), type);
        const double most = type == at::kFloat ? 4e-7 : 0x1p-8;
        const double scale = (factor(exact, 0) * factor(exact, 1)).norm().item<double>();
        EXPECT_LE((u.to(at::kDouble) - expected).norm().item<double>(), most * scale);
        u.backward(above);
        expected.backward(above.to(at::kDouble));
        for (const int which : {0, 1}) {
          // Of a up to |gate|, of the gate up to 1.1·|a|.
          const double largest =
              (1.1 * factor(exact, 1 - which) * above.to(at::kDouble)).norm().item<double>();
          EXPECT_LE((own.grad() - exact.grad()).select(1, which).to(at::kDouble).norm().item<double>(),
                    most * largest)
              << which;
        }
      }
}

TEST_P(FusedActivation, SwigluRefusesAGateOfAnotherShape) {
  EXPECT_THROW(swiglu(at::ones({3}), at::ones({4})), c10::Error);
}

TEST_P(FusedActivation, HasTheSameBitsOnAnyNumberOfThreads) {
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
