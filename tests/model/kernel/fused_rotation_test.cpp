// Norm and rotation of heads in one step against their equations in float64, values and gradients.
#include "model/kernel/fused_rotation.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/engine/kernel_test.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

constexpr double kFloatGap = 1e-6, kHalfGap = 4e-3, kBase = 50;

struct Case {
  std::int64_t B, T, J, turned, D, R;  // R 0: no rotation
  bool norm;
  at::ScalarType type;
};

std::string text_of(const Case& c) {
  std::ostringstream out;
  out << "[" << c.B << ", " << c.T << ", " << c.J << ", " << c.D << "], " << c.turned
      << " turned in the last " << c.R << ", " << at::toString(c.type) << (c.norm ? ", normed" : "");
  return out.str();
}

Case draw() {
  const auto upto = [](std::int64_t n) { return 1 + at::randint(n, {1}).item<std::int64_t>(); };
  const auto J = upto(7), D = 2 * upto(upto(6) == 1 ? 150 : 40);
  const bool norm = upto(2) == 1;
  const auto R = upto(3) > 1 ? D : norm && upto(2) == 1 ? 0 : 2 * upto(D / 2);
  return {upto(3), upto(40), J, upto(J), D, R, norm, upto(2) == 1 ? at::kFloat : at::kBFloat16};
}

// A number at a time, in float64.
Tensor by_loops(const Tensor& x, const Case& c, std::int64_t first) {
  std::vector<Tensor> heads;
  for (std::int64_t h = 0; h < c.turned; ++h) {
    Tensor head_BTD = x.select(2, h);
    if (c.norm) head_BTD = head_BTD / (head_BTD.square().mean(-1, true) + 1e-5).sqrt();
    std::vector<Tensor> positions;
    for (std::int64_t t = 0; t < c.T; ++t) {
      const Tensor at_t_BD = head_BTD.select(1, t);
      std::vector<Tensor> channels(static_cast<std::size_t>(c.D));
      for (std::int64_t d = 0; d < c.D; ++d) channels[static_cast<std::size_t>(d)] = at_t_BD.select(1, d);
      for (std::int64_t i = 0; i < c.R / 2; ++i) {
        const double angle = static_cast<double>(first + t) *
                             std::pow(kBase, -2 * static_cast<double>(i) / static_cast<double>(c.R));
        auto &a = channels[static_cast<std::size_t>(c.D - c.R + i)],
             &b = channels[static_cast<std::size_t>(c.D - c.R / 2 + i)];
        const Tensor before = a;
        a = before * std::cos(angle) - b * std::sin(angle);
        b = b * std::cos(angle) + before * std::sin(angle);
      }
      positions.push_back(at::stack(channels, 1));
    }
    heads.push_back(at::stack(positions, 1));
  }
  for (std::int64_t h = c.turned; h < c.J; ++h) heads.push_back(x.select(2, h));
  return at::stack(heads, 2);
}

HeadsOptions options_of(const Case& c, std::int64_t first, at::ScalarType type) {
  const Rotation rotation = c.R > 0 ? make_rotation(first, c.T, c.R, kBase, type) : Rotation{};
  return {.turned = c.turned, .rotation = rotation, .norm = c.norm};
}

class PreparedHeads : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cpu, PreparedHeads, each_kind_of_kernels(), instruction_set);

TEST_P(PreparedHeads, AgreeWithFloat64InValuesAndGradients) {
  for (int i = 0; i < 40; ++i) {
    const Case c = draw();
    const std::int64_t first = i % 2 == 0 ? 0 : 1000;
    SCOPED_TRACE(text_of(c));
    const Twin x({c.B, c.T, c.J, c.D}, c.type);
    const Tensor above = at::randn({c.B, c.T, c.J, c.D}).to(c.type);
    // Its memory may become the result's, so that it gets a copy, as a linear map's output would be.
    const Tensor y = prepared_heads(x.own * 1, options_of(c, first, at::kFloat));
    const Tensor exact = by_loops(x.exact, c, first);
    ASSERT_EQ(y.scalar_type(), c.type);
    const double most = c.type == at::kFloat ? kFloatGap : kHalfGap;
    EXPECT_LE(gap(y, exact), most);
    y.backward(above);
    exact.backward(above.to(at::kDouble));
    EXPECT_LE(gap(x.own.grad(), x.exact.grad()), most * (c.norm && c.D < 8 ? 10 : 1));
  }
}

TEST_P(PreparedHeads, AreTheEquationsInFloat64) {
  for (int i = 0; i < 20; ++i) {
    const Case c = draw();
    SCOPED_TRACE(text_of(c));
    const Twin x({c.B, c.T, c.J, c.D}, at::kDouble);
    const Tensor y = prepared_heads(x.own, options_of(c, 7, at::kDouble)), exact = by_loops(x.exact, c, 7);
    EXPECT_LE(gap(y, exact), 1e-13);
    const Tensor above = at::randn(y.sizes(), at::kDouble);
    y.backward(above), exact.backward(above);
    EXPECT_LE(gap(x.own.grad(), x.exact.grad()), 1e-12);
  }
}

// Two readers of the result: their gradients are added up before they are turned back, and a gradient that
// somebody holds on to is left as it was.
TEST_P(PreparedHeads, LeaveAGradientAloneThatOthersHold) {
  const Tensor x = at::randn({2, 5, 3, 8}).set_requires_grad(true);
  const HeadsOptions options{
      .turned = 2, .rotation = make_rotation(0, 5, 8, kBase, at::kFloat), .norm = false};
  const Tensor y = prepared_heads(x * 1, options);
  y.retain_grad();
  const Tensor above = at::randn({2, 5, 3, 8}), before = above.clone();
  y.backward(above, /*retain_graph=*/true);
  EXPECT_TRUE(at::equal(above, before));
  EXPECT_TRUE(at::equal(y.grad(), before));
  const Tensor once = x.grad().clone();
  x.mutable_grad().reset();
  (y * above + y * above).sum().backward();
  EXPECT_LE(gap(x.grad(), 2 * once.to(at::kDouble)), kFloatGap);
}

// Of a gradient that nobody else holds, the memory too.
TEST_P(PreparedHeads, TurnAGradientBackInItsOwnMemory) {
  if (GetParam() == "Portable") return;
  const Tensor x = at::randn({2, 5, 3, 8}).set_requires_grad(true), made = x * 1;
  const HeadsOptions options{
      .turned = 2, .rotation = make_rotation(0, 5, 8, kBase, at::kFloat), .norm = false};
  const Tensor y = prepared_heads(made, options);
  const void *above = nullptr, *below = nullptr;
  y.register_hook([&](const Tensor& gradient) { above = gradient.const_data_ptr(); });
  made.register_hook([&](const Tensor& gradient) { below = gradient.const_data_ptr(); });
  y.square().sum().backward();
  EXPECT_NE(above, nullptr);
  EXPECT_EQ(above, below);
}

TEST_P(PreparedHeads, TakeTheMemoryOfADenseInput) {
  const Tensor x = at::randn({1, 4, 2, 8}), kept = x.clone();
  const HeadsOptions options{
      .turned = 2, .rotation = make_rotation(0, 4, 8, kBase, at::kFloat), .norm = false};
  const Tensor y = prepared_heads(x, options);
  if (GetParam() != "Portable") {
    EXPECT_EQ(y.const_data_ptr(), x.const_data_ptr());
  }
  EXPECT_TRUE(at::equal(prepared_heads(kept.transpose(1, 2).contiguous().transpose(1, 2), options), y));
}

TEST_P(PreparedHeads, HaveNoGradientOfTheirGradient) {
  const Tensor x = at::randn({1, 3, 1, 4}).set_requires_grad(true);
  const HeadsOptions options{
      .turned = 1, .rotation = make_rotation(0, 3, 4, kBase, at::kFloat), .norm = false};
  const Tensor y = prepared_heads(x * 1, options);
  EXPECT_THROW(y.sum().backward({}, /*retain_graph=*/true, /*create_graph=*/true), c10::Error);
}

TEST(PreparedHeadsShapes, AreRefusedWhereTheyDontFit) {
  const auto rotation = [](std::int64_t T, std::int64_t R) {
    return make_rotation(0, T, R, kBase, at::kFloat);
  };
  const Tensor x = at::randn({1, 4, 2, 8});
  EXPECT_THROW(prepared_heads(x, {.turned = 2, .rotation = rotation(5, 8)}), c10::Error);
  EXPECT_THROW(prepared_heads(x, {.turned = 2, .rotation = rotation(4, 10)}), c10::Error);
  EXPECT_THROW(prepared_heads(x, {.turned = 3, .rotation = rotation(4, 8)}), c10::Error);
  EXPECT_THROW(rotation(4, 5), c10::Error);
}

// Scores hang on the distance alone.
TEST(MakeRotation, TurnsByDistance) {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  const Tensor q = at::randn({1, 9, 1, 12}, options), k = at::randn({1, 9, 1, 12}, options);
  const auto scores = [&](std::int64_t first) {
    const auto turned = [&](const Tensor& x) {
      return prepared_heads(x, {.turned = 1, .rotation = make_rotation(first, 9, 12, 10000, options)})
          .select(2, 0);
    };
    return at::bmm(turned(q), turned(k).transpose(1, 2));
  };
  EXPECT_LE(gap(scores(100000), scores(0)), 1e-10);
}

}  // namespace
}  // namespace kablate
