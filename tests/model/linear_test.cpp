// Linear layers against at::linear in float64, values and gradients, on random shapes.
#include "model/linear.h"

#include <random>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

// Relative, of a tensor's norm; of sums of a few numbers, that may cancel, too.
constexpr double kFloatGap = 1e-5, kHalfGap = 1e-2;

struct Case {
  std::int64_t rows, in, out;
  at::ScalarType type;
  bool transposed;  // the weight lies in memory as [in, out]
  bool bias;
};

class Cases {
 public:
  Case draw() {
    const std::int64_t widest = pick(0, 5) == 0 ? 700 : 90;  // wide enough for both ways to dW
    return {pick(1, 200),    pick(4, widest), pick(4, widest), pick(0, 3) == 0 ? at::kBFloat16 : at::kFloat,
            pick(0, 1) == 1, pick(0, 1) == 1};
  }

 private:
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  std::mt19937 engine_{seed_of_this_run()};
};

std::string text_of(const Case& c) {
  return str(c.rows, " rows, ", c.in, " to ", c.out, c.type == at::kFloat ? ", float32" : ", bfloat16",
             c.transposed ? ", transposed" : "", c.bias ? ", bias" : "");
}

void expect_agreement(const Case& c) {
  SCOPED_TRACE(text_of(c));
  const Twin x({2, c.rows, c.in}, c.type), bias({c.out}, c.type),
      stored(c.transposed ? at::IntArrayRef{c.in, c.out} : at::IntArrayRef{c.out, c.in}, c.type);
  const auto map = [&](const Tensor& weight) { return c.transposed ? weight.t() : weight; };
  const Tensor y = linear(x.own, map(stored.own), c.bias ? bias.own : Tensor(), c.type);
  const Tensor exact = at::linear(x.exact, map(stored.exact), c.bias ? bias.exact : Tensor());
  const double most = c.type == at::kFloat ? kFloatGap : kHalfGap;
  ASSERT_EQ(y.scalar_type(), c.type);
  ASSERT_EQ(y.sizes(), exact.sizes());
  EXPECT_LE(gap(y, exact), most);
  const Tensor above = at::randn(y.sizes()).to(c.type);
  y.backward(above);
  exact.backward(above.to(at::kDouble));
  EXPECT_LE(gap(x.own.grad(), x.exact.grad()), most);
  EXPECT_LE(gap(stored.own.grad(), stored.exact.grad()), most);
  if (c.bias) {
    EXPECT_LE(gap(bias.own.grad(), bias.exact.grad()), most);
  }
}

TEST(Linear, AgreesWithFloat64InValuesAndGradients) {
  at::manual_seed(seed_of_this_run());
  Cases cases;
  for (int i = 0; i < 80; ++i) expect_agreement(cases.draw());
}

TEST(Linear, AgreesForOneRowWithoutGradients) {
  const at::NoGradGuard no_grad;
  Cases cases;
  for (int i = 0; i < 40; ++i) {
    const Case c = cases.draw();
    SCOPED_TRACE(text_of(c));
    const Tensor x = at::randn({1, 1, c.in}).to(c.type), bias = at::randn({c.out}).to(c.type),
                 weight = at::randn({c.transposed ? c.in : c.out, c.transposed ? c.out : c.in}).to(c.type);
    const Tensor map = c.transposed ? weight.t() : weight, add = c.bias ? bias : Tensor();
    const Tensor y = linear(x, map, add, c.type);
    const Tensor exact =
        at::linear(x.to(at::kDouble), map.to(at::kDouble), c.bias ? bias.to(at::kDouble) : add);
    ASSERT_EQ(y.scalar_type(), c.type);
    ASSERT_EQ(y.sizes(), exact.sizes());
    EXPECT_LE(gap(y, exact), c.type == at::kFloat ? kFloatGap : kHalfGap);
  }
}

TEST(Linear, RepeatsItsBits) {
  const Tensor weight = at::randn({700, 400}).set_requires_grad(true), x = at::randn({3, 100, 400});
  const auto run = [&] {
    weight.mutable_grad().reset();
    const Tensor y = linear(x.clone(), weight, {}, at::kFloat);
    y.square().sum().backward();
    return std::pair{y.detach(), weight.grad()};
  };
  const auto first = run(), second = run();
  EXPECT_TRUE(at::equal(first.first, second.first));
  EXPECT_TRUE(at::equal(first.second, second.second));
}

TEST(Linear, GivesGradientsOnlyWhereTheyAreWanted) {
  const Tensor x = at::randn({40, 10}), weight = at::randn({6, 10}).set_requires_grad(true);
  linear(x, weight, {}, at::kFloat).sum().backward();
  EXPECT_LE(gap(weight.grad(), x.sum(0).expand({6, 10}).to(at::kDouble)), kFloatGap);
  EXPECT_FALSE(x.grad().defined());
}

}  // namespace
}  // namespace kablate
