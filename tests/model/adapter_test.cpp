// Adapters beside linear maps against the equation in float64, values and gradients.
#include "model/adapter.h"

#include <random>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

// Of sums of several numbers, which by chance may all but cancel.
constexpr double kFloatGap = 3e-5, kHalfGap = 6e-2;

struct Case {
  std::int64_t rows, in, out, rank;
  at::ScalarType type;
  bool bias, dropped;
};

class Cases {
 public:
  Case draw() {
    return {pick(4, 120),
            pick(4, 90),
            pick(4, 90),
            pick(2, 12),
            pick(0, 2) == 0 ? at::kBFloat16 : at::kFloat,
            pick(0, 1) == 1,
            pick(0, 1) == 1};
  }

 private:
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  std::mt19937 engine_{seed_of_this_run()};
};

using Function = Tensor (*)(const Tensor&, const Tensor&, const LinearMap&, at::ScalarType);

void expect_agreement(const Case& c, Function function) {
  SCOPED_TRACE(str(c.rows, " rows, ", c.in, " to ", c.out, ", rank ", c.rank,
                   c.type == at::kFloat ? ", float32" : ", bfloat16", c.bias ? ", bias" : "",
                   c.dropped ? ", dropped" : ""));
  constexpr double kScale = 0.7;
  const Twin x({2, c.rows, c.in}, c.type), weight({c.out, c.in}, c.type), bias({c.out}, c.type),
      A({c.rank, c.in}, c.type), B({c.out, c.rank}, c.type);
  const Tensor mask = at::randint(0, 2, {2, c.rows, c.in}) * 2;
  const auto read = [&](const Tensor& in) { return c.dropped ? in * mask.to(in.scalar_type()) : in; };
  const LinearMap map{weight.own, c.bias ? bias.own : Tensor(), {A.own, B.own, kScale, 0, ""}};
  const Tensor y = function(x.own, read(x.own), map, c.type);
  Tensor exact = at::linear(x.exact, weight.exact, c.bias ? bias.exact : Tensor());
  exact = exact + kScale * at::linear(at::linear(read(x.exact), A.exact), B.exact);
  const double most = c.type == at::kFloat ? kFloatGap : kHalfGap;
  ASSERT_EQ(y.scalar_type(), c.type);
  ASSERT_EQ(y.sizes(), exact.sizes());
  EXPECT_LE(gap(y, exact), most);
  const Tensor above = at::randn(y.sizes()).to(c.type);
  y.backward(above);
  exact.backward(above.to(at::kDouble));
  for (const auto* twin : {&x, &weight, &A, &B}) EXPECT_LE(gap(twin->own.grad(), twin->exact.grad()), most);
  if (c.bias) {
    EXPECT_LE(gap(bias.own.grad(), bias.exact.grad()), most);
  }
}

TEST(Adapter, AgreesWithFloat64InValuesAndGradients) {
  at::manual_seed(seed_of_this_run());
  Cases cases;
  for (int i = 0; i < 60; ++i) {
    const Case c = cases.draw();
    expect_agreement(c, adapted);
    expect_agreement(c, adapted_written_out);
  }
}

// A frozen map gets no gradient, and no time is spent on one.
TEST(Adapter, TrainsBesideAMapThatStandsStill) {
  const Tensor x = at::randn({40, 10}).set_requires_grad(true), weight = at::randn({6, 10}),
               A = at::randn({3, 10}).set_requires_grad(true), B = at::randn({6, 3}).set_requires_grad(true);
  for (const Function function : {adapted, adapted_written_out}) {
    for (const auto& tensor : {x, A, B}) tensor.mutable_grad().reset();
    function(x, x, {weight, {}, {A, B, 2, 0, ""}}, at::kFloat).sum().backward();
    EXPECT_FALSE(weight.grad().defined());
    const Tensor ones = at::ones({40, 6});
    EXPECT_LE(gap(B.grad(), 2 * at::mm(ones.t(), at::mm(x, A.t())).to(at::kDouble)), kFloatGap);
    EXPECT_LE(gap(x.grad(), at::mm(ones, weight + 2 * at::mm(B, A)).to(at::kDouble)), kFloatGap);
  }
}

TEST(Adapter, ChangesNoBitWhereItsUpperMapIsZero) {
  const at::NoGradGuard no_grad;
  for (const auto type : {at::kFloat, at::kBFloat16, at::kDouble})
    for (const std::int64_t rows : {1, 40}) {
      const Tensor x = at::randn({rows, 10}).to(type), weight = at::randn({6, 10});
      const LinearMap map{weight, {}, {at::randn({3, 10}), at::zeros({6, 3}), 2, 0, ""}};
      EXPECT_TRUE(at::equal(adapted(x, x, map, type), linear(x, weight, {}, type))) << type << " " << rows;
    }
}

TEST(Adapter, AddsUpToOneWeight) {
  const Tensor weight = at::randn({6, 10}), A = at::randn({3, 10}), B = at::randn({6, 3});
  EXPECT_LE(
      gap(effective_weight({weight, {}, {A, B, 0.5, 0, ""}}), (weight + 0.5 * at::mm(B, A)).to(at::kDouble)),
      kFloatGap);
  EXPECT_TRUE(effective_weight({weight, {}}).is_same(weight));
}

}  // namespace
}  // namespace kablate
