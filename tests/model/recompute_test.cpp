// Values recomputed in the backward pass against autograd that keeps them all.
#include "model/recompute.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "model/kernel/cpu_kernels.h"
#include "model/kernel/fused_activation.h"
#include "model/kernel/selected_route.h"
#include "shape/policy.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

constexpr std::int64_t kB = 5, kT = 20, kIn = 6, kMiddle = 8, kOut = 3;
constexpr std::int64_t kRows = 50;  // two pieces
constexpr double kScale = 0.7, kGap = 1e-12;

Tensor leaf(at::IntArrayRef shape) { return at::randn(shape, at::kDouble).set_requires_grad(true); }

// Something of each kind: an input that is not defined, one of whole numbers, one that nothing reads, a
// parameter that nothing reads, an output that is not defined, and sums within a sequence.
struct Example {
  Example() {
    at::manual_seed(seed_of_this_run());
    x = leaf({kB, kT, kIn}), other = leaf({kB, kT, kMiddle}), unread = leaf({kB, kT, 2});
    columns = at::randint(0, kT, {kB, kT}, at::kInt);
    down = leaf({kMiddle, kIn}), unused = leaf({2, 2}), weight = leaf({kOut, kMiddle}), bias = leaf({kOut});
    for (const Tensor& like : {x, other})
      above.push_back(at::randn({kB, kT, like.size(2) == kIn ? kOut : kMiddle}, at::kDouble));
  }

  Tensors make(const Tensors& in) const {
    const Tensor v = at::gelu(at::linear(in[0], down)) * in[2].cumsum(1);
    const Tensor index = in[3].to(at::kLong).unsqueeze(2).expand_as(v);
    return {Tensor(), at::gather(v, 1, index), v.sigmoid()};
  }

  Recomputation recomputation() const {
    return {.compute = [this](const Tensors& in) { return make(in); },
            .inputs = {x, Tensor(), other, columns, unread},
            .parameters = {down, unused},
            .rows = kRows};
  }

  // Gradients of all leaves, which are reset.
  Tensors gradients_of(const Tensors& outputs) const {
    Tensor sum = at::zeros({}, at::kDouble);
    for (std::size_t i = 0; i < outputs.size(); ++i) sum = sum + (outputs[i] * above[i]).sum();
    sum.backward();
    Tensors result;
    for (const auto& tensor : {x, other, unread, down, unused, weight, bias}) {
      result.push_back(tensor.grad());
      tensor.mutable_grad().reset();
    }
    return result;
  }

  Tensor x, other, unread, columns, down, unused, weight, bias;
  Tensors above;
};

void expect_equal(const Tensors& made, const Tensors& expected) {
  ASSERT_EQ(made.size(), expected.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    ASSERT_EQ(made[i].defined(), expected[i].defined()) << i;
    if (made[i].defined()) {
      EXPECT_LE(gap(made[i], expected[i]), kGap) << i;
    }
  }
}

TEST(Recompute, HasTheGradientsOfWhatKeepsAll) {
  const Example e;
  const auto all = e.make(e.recomputation().inputs);
  const auto made = recomputed(e.recomputation());
  ASSERT_EQ(made.size(), 3u);
  EXPECT_FALSE(made[0].defined());
  EXPECT_TRUE(at::equal(made[1], all[1]) && at::equal(made[2], all[2]));
  const auto sums = [&](const Tensors& t) { return Tensors{t[1].narrow(2, 0, kOut), t[2]}; };
  const auto expected = e.gradients_of(sums(all));
  expect_equal(e.gradients_of(sums(made)), expected);
}

TEST(Recompute, HasThemThroughALinearMapWhoseInputIsNotKept) {
  const Example e;
  for (const bool bias : {false, true}) {
    const LinearMap map = {e.weight, bias ? e.bias : Tensor()};
    const auto all = e.make(e.recomputation().inputs);
    const Tensor y = at::linear(all[1], e.weight, bias ? e.bias : Tensor()) * kScale;
    const auto made = recomputed_into(e.recomputation(), map, kScale);
    ASSERT_EQ(made.size(), 2u);
    EXPECT_LE(gap(made[0], y), kGap);
    const auto expected = e.gradients_of({y, all[2]});
    expect_equal(e.gradients_of({made[0], made[1]}), expected);
  }
}

TEST(Recompute, AddsTheMapToItsBase) {
  const Example e;
  Recomputation recomputation = e.recomputation();
  recomputation.compute = [&e](const Tensors& in) -> Tensors {
    const auto made = e.make(in);
    return {made[2].narrow(2, 0, kOut), made[1]};
  };
  const auto all = recomputation.compute(recomputation.inputs);
  const Tensor y = all[0] + at::linear(all[1], e.weight) * kScale;
  const auto made = recomputed_into(recomputation, {e.weight, {}}, kScale);
  EXPECT_LE(gap(made[0], y), kGap);
  const auto expected = e.gradients_of({y});
  expect_equal(e.gradients_of({made[0]}), expected);
}

// In the types of the kernels, whose tensors begin anywhere.
TEST(Recompute, AgreesWithKernelsInOneAndInMorePieces) {
  at::manual_seed(seed_of_this_run());
  constexpr std::int64_t B = 6, T = 101, F = 24, k = 4, rows = 200;
  ASSERT_EQ(recompute_pieces(B, T, rows), 3);
  ASSERT_EQ(recompute_pieces(kB, kT, kRows), 2);
  if (kernel::cpu_kernels() == nullptr) GTEST_SKIP() << "this CPU has no kernels";
  const Tensor columns = at::randint(0, T, {B, T, k}, at::kInt);
  for (const auto& [type, most] : {std::pair{at::kFloat, 1e-5}, {at::kBFloat16, 3e-2}}) {
    const auto make = [&](const Tensors& in) -> Tensors {
      const Tensor u = gelu(in[0], false);
      return {u, route_selected(in[1], in[2], u)};
    };
    Tensors leaves = {at::randn({B, T, F}).to(type), at::rand({B, T, k}), at::randn({F, F}).to(type)};
    for (auto& tensor : leaves) tensor.set_requires_grad(true);
    const Tensor above = at::randn({B, T, F}).to(type);
    const auto gradients = [&](const Tensor& y) {
      y.backward(above);
      Tensors result;
      for (const auto& tensor : leaves) {
        result.push_back(tensor.grad());
        tensor.mutable_grad().reset();
      }
      return result;
    };
    const Recomputation recomputation = {
        .compute = make, .inputs = {leaves[0], leaves[1], columns}, .parameters = {}};
    const auto all = make(recomputation.inputs);
    const auto expected = gradients(at::add(all[0], at::linear(all[1], leaves[2]), kScale));
    for (const bool pieces : {false, true}) {
      Recomputation way = recomputation;
      way.rows = pieces ? rows : 0;
      const auto made = gradients(recomputed_into(way, {leaves[2], {}}, kScale)[0]);
      for (std::size_t i = 0; i < made.size(); ++i)
        EXPECT_LE(gap(made[i], expected[i].to(at::kDouble)), most) << i << (pieces ? ", in pieces" : "");
    }
  }
}

TEST(Recompute, LeavesWhatWantsNoGradientAlone) {
  const Example e;
  e.down.set_requires_grad(false);
  const Tensor x = e.x.detach();
  Recomputation recomputation = e.recomputation();
  recomputation.inputs[0] = x;
  const auto expected = e.gradients_of(Tensors{e.make(recomputation.inputs)[1].narrow(2, 0, kOut)});
  expect_equal(e.gradients_of(Tensors{recomputed(recomputation)[1].narrow(2, 0, kOut)}), expected);
  EXPECT_FALSE(expected[0].defined());
}

// An update between the passes would give the gradient of another function.
TEST(Recompute, RefusesParametersThatHaveChanged) {
  const Example e;
  const auto made = recomputed(e.recomputation());
  {
    const at::NoGradGuard no_grad;
    e.down.add_(1);
  }
  EXPECT_THROW(made[2].sum().backward(), c10::Error);
}

// Where one output's gradient never comes, the rest still has its own.
TEST(Recompute, TakesAnyOfItsOutputsAlone) {
  const Example e;
  const auto rest = e.make(e.recomputation().inputs)[2];
  const Tensor narrow = at::randn({kB, kT, kMiddle}, at::kDouble);
  const auto gradient = [&](const Tensor& output) {
    (output * narrow).sum().backward();
    const Tensors result = {e.x.grad(), e.down.grad(), e.weight.grad()};
    for (const auto& tensor : {e.x, e.other, e.down, e.weight}) tensor.mutable_grad().reset();
    return result;
  };
  const auto expected = gradient(rest);
  expect_equal(gradient(recomputed_into(e.recomputation(), {e.weight, {}}, kScale)[1]), expected);
}

}  // namespace
}  // namespace kablate
