// Norms of a sum by kernels against their equations in float64, values and gradients.
#include "model/kernel/fused_norm.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/engine/kernel_test.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

constexpr double kFloatGap = 1e-6, kHalfGap = 3e-3, kEpsilon = 1e-5;
constexpr auto kLayer = NormKind::kLayerNorm, kRms = NormKind::kRmsNorm;

struct Case {
  std::int64_t N, E;
  NormKind kind;
  bool adds, weight, bias;
  at::ScalarType added, normed;
  double offset;  // of x from 0
};

std::string text_of(const Case& c) {
  std::ostringstream out;
  out << (c.kind == kRms ? "rms" : "layer") << (c.weight ? "" : " without a weight") << " [" << c.N << ", "
      << c.E << "], normed " << at::toString(c.normed) << ", mean about " << c.offset;
  if (c.adds) out << ", with " << at::toString(c.added);
  return out.str() + (c.bias ? ", with a bias" : "");
}

Case draw() {
  const auto below = [](std::int64_t n) { return at::randint(n, {1}).item<std::int64_t>(); };
  const auto type = [&] { return below(2) == 0 ? at::kFloat : at::kBFloat16; };
  const auto kind = below(2) == 0 ? kLayer : kRms;
  const bool weight = below(3) > 0, bias = weight && kind == kLayer && below(2) == 0;
  return {1 + below(150), 3 + below(below(2) == 0 ? 40 : 400), kind, below(2) == 0, weight, bias, type(),
          type(),         below(3) == 0 ? 30.0 : 0.0};
}

struct Inputs {
  explicit Inputs(const Case& c)
      : x({c.N, c.E}, at::kFloat),
        added({c.N, c.E}, c.added),
        weight({c.E}, at::kFloat),
        bias({c.E}, at::kFloat) {
    x.own.detach().add_(c.offset);
    x.exact.detach().copy_(x.own.detach());
  }
  Twin x, added, weight, bias;
};

// The equation, an operation after the other.
Tensor plain_norm(const Tensor& sum, const Case& c, const Tensor& weight, const Tensor& bias) {
  const Tensor d = c.kind == kRms ? sum : sum - sum.mean(-1, true);
  Tensor y = d / (d.square().mean(-1, true) + kEpsilon).sqrt();
  if (c.weight) y = y * weight;
  return c.bias ? y + bias : y;
}

class FusedNorm : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cpu, FusedNorm, each_instruction_set(), instruction_set);

// The gradients of what reads the sum, the norm, or both.
TEST_P(FusedNorm, AgreesWithFloat64InValuesAndGradients) {
  for (int i = 0; i < 120; ++i) {
    const Case c = draw();
    const bool reads_sum = i % 3 != 0, reads_norm = i % 3 != 1;
    SCOPED_TRACE(testing::Message() << text_of(c) << ", reads " << i % 3);
    const Inputs in(c);
    const NormFunction function{c.kind, c.weight ? in.weight.own : Tensor(), c.bias ? in.bias.own : Tensor(),
                                kEpsilon};
    const NormedSum made = add_norm(in.x.own, c.adds ? in.added.own : Tensor(), function, c.normed);
    const Tensor sum = c.adds ? in.x.exact + in.added.exact : in.x.exact * 1,
                 normed = plain_norm(sum, c, in.weight.exact, in.bias.exact);
    EXPECT_EQ(made.sum.scalar_type(), at::kFloat);
    ASSERT_EQ(made.normed.scalar_type(), c.normed);
    // The mean costs digits, in rows of a few numbers the difference from it too.
    const double cancels = (c.offset != 0 && c.kind == kLayer ? 10 : 1) * (c.E < 8 ? 10 : 1);
    const double most = (c.normed == at::kFloat ? kFloatGap : kHalfGap) * cancels;
    EXPECT_LE(gap(made.sum, sum), kFloatGap);
    EXPECT_LE(gap(made.normed, normed), most);
    const Tensor above = at::randn({c.N, c.E}), above_norm = at::randn({c.N, c.E}).to(c.normed);
    Tensor own = at::zeros({}), exact = at::zeros({}, at::kDouble);
    if (reads_sum) own = own + (made.sum * above).sum(), exact = exact + (sum * above).sum();
    if (reads_norm) {
      own = own + (made.normed.to(at::kFloat) * above_norm).sum();
      exact = exact + (normed * above_norm.to(at::kDouble)).sum();
    }
    own.backward();
    exact.backward();
    EXPECT_LE(gap(in.x.own.grad(), in.x.exact.grad()), kFloatGap * cancels);
    if (c.adds) {
      EXPECT_LE(gap(in.added.own.grad(), in.added.exact.grad()),
                (c.added == at::kFloat ? kFloatGap : kHalfGap) * cancels);
    }
    if (!reads_norm) continue;
    if (c.weight) {
      EXPECT_LE(gap(in.weight.own.grad(), in.weight.exact.grad()), kFloatGap * cancels);
    }
    if (c.bias) {
      EXPECT_LE(gap(in.bias.own.grad(), in.bias.exact.grad()), kFloatGap);
    }
  }
}

TEST_P(FusedNorm, TakesRowsThatDoNotLieTogether) {
  const Tensor x = at::randn({6, 5, 24}), weight = at::randn({24}), across = x.transpose(0, 1);
  const auto normed = [&](const Tensor& in) {
    return add_norm(in, in, {kLayer, weight, {}}, at::kFloat).normed;
  };
  EXPECT_TRUE(at::equal(normed(across), normed(across.contiguous())));
}

TEST_P(FusedNorm, HidesNoVarianceBeyondFloat32) {
  const Tensor x = at::randn({3, 20}), weight = at::ones({20});
  x[1].mul_(1e20);
  for (const auto kind : {kLayer, kRms}) {
    const Tensor normed = add_norm(x, {}, {kind, weight, {}}, at::kFloat).normed;
    EXPECT_TRUE(at::isnan(normed[1]).all().item<bool>());
    EXPECT_FALSE(at::isnan(normed[0]).any().item<bool>() || at::isnan(normed[2]).any().item<bool>());
  }
}

TEST_P(FusedNorm, RefusesShapesThatDoNotFit) {
  const Tensor x = at::randn({4, 12}), weight = at::randn({12});
  const auto normed = [&](const Tensor& added, const Tensor& w, const Tensor& bias) {
    return add_norm(x, added, {kLayer, w, bias}, at::kFloat);
  };
  EXPECT_THROW(normed(at::randn({12}), weight, {}), c10::Error);
  EXPECT_THROW(normed({}, at::randn({6}), {}), c10::Error);
  EXPECT_THROW(normed({}, weight, at::randn({6})), c10::Error);
  EXPECT_THROW(normed({}, {}, weight), c10::Error);
  EXPECT_THROW(add_norm(x, {}, {kRms, weight, weight}, at::kFloat), c10::Error);
}

// An arm must not differ from another one by how many threads it had.
TEST_P(FusedNorm, HasTheSameBitsOnAnyNumberOfThreads) {
  const auto gradient_on = [](int threads) {
    at::manual_seed(1);
    at::set_num_threads(threads);
    const Tensor x = at::randn({4096, 384}), weight = at::randn({384}).set_requires_grad(true);
    add_norm(x, {}, {kLayer, weight, {}}, at::kFloat).normed.square().sum().backward();
    return weight.grad();
  };
  const int before = at::get_num_threads();
  const Tensor one = gradient_on(1), three = gradient_on(3), five = gradient_on(5);
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, three) && at::equal(one, five));
}

TEST(AddNorm, IsWrittenOutInFloat64AndWithoutKernels) {
  const Tensor x = at::randn({4, 12}, at::kDouble), y = at::randn({4, 12}, at::kDouble),
               weight = at::randn({12}, at::kDouble);
  for (const auto kind : {kLayer, kRms}) {
    const Case c{4, 12, kind, true, true, false, at::kDouble, at::kDouble, 0};
    const auto expected = plain_norm(x + y, c, weight, {});
    EXPECT_LE(gap(add_norm(x, y, {kind, weight, {}}, at::kDouble).normed, expected), 1e-14);
    const auto* before = kernel::cpu_kernels();
    kernel::set_cpu_kernels(nullptr);
    const auto plain =
        add_norm(x.to(at::kFloat), y.to(at::kBFloat16), {kind, weight.to(at::kFloat), {}}, at::kBFloat16);
    kernel::set_cpu_kernels(before);
    EXPECT_EQ(plain.sum.scalar_type(), at::kFloat);
    EXPECT_EQ(plain.normed.scalar_type(), at::kBFloat16);
    EXPECT_LE(gap(plain.normed, expected), 2 * kHalfGap);
  }
}

}  // namespace
}  // namespace kablate
