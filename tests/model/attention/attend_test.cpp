// Attention's forms against loops over numbers: spans, fewer heads of keys than of queries, values of another
// width than keys.
#include "model/attention/attend.h"

#include <algorithm>
#include <cmath>
#include <random>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "model/kernel/cpu_kernels.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

struct Case {
  std::int64_t B, T, H, K, D, C;
  bool causal, padded;
  double alpha;
  std::int64_t window;
};

std::string text_of(const Case& c) {
  return str("B ", c.B, ", T ", c.T, ", H ", c.H, ", K ", c.K, ", D ", c.D, ", C ", c.C,
             c.causal ? ", causal" : ", bidirectional", c.padded ? ", padded" : "", ", alpha ", c.alpha,
             ", window ", c.window);
}

class Cases {
 public:
  Case draw() {
    const std::int64_t K = pick(1, 3), H = K * pick(1, 3), T = pick(1, 12);
    const bool reciprocal = K == H && pick(0, 1) == 1;
    return {pick(1, 3),           T,         H, K, pick(1, 6), pick(1, 6), pick(0, 1) == 1, pick(0, 1) == 1,
            reciprocal ? 0.3 : 0, pick(0, T)};
  }

 private:
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  std::mt19937 engine_{seed_of_this_run()};
};

constexpr double kScale = 0.4;

// Keeps all of one sequence and some of the others, one position at least: padding on either side.
Tensor some_kept(std::int64_t B, std::int64_t T) {
  Tensor keep = at::rand({B, T}).gt(0.4);
  keep.select(0, 0).fill_(true);
  keep.select(1, T / 2).fill_(true);
  return keep;
}

bool sees(const Span& span, std::int64_t b, std::int64_t t, std::int64_t s) {
  if (span.causal && s > t) return false;
  return !span.keep_BT.defined() || span.keep_BT[b][s].item<bool>();
}

// Values [B, T, H, C] and rows [B, H, T, T], a number at a time.
std::pair<Tensor, Tensor> by_loops(const Case& c, const Twin& q, const Twin& k, const Twin& v,
                                   const Span& span) {
  const Tensor values = at::zeros({c.B, c.T, c.H, c.C}, at::kDouble),
               rows = at::zeros({c.B, c.H, c.T, c.T}, at::kDouble);
  const auto score = [&](std::int64_t b, std::int64_t h, std::int64_t t, std::int64_t s) {
    return kScale * (q.exact[b][t][h] * k.exact[b][s][h / (c.H / c.K)]).sum().item<double>();
  };
  for (std::int64_t b = 0; b < c.B; ++b)
    for (std::int64_t h = 0; h < c.H; ++h)
      for (std::int64_t t = 0; t < c.T; ++t) {
        std::vector<double> weights(static_cast<std::size_t>(c.T));
        double sum = 0;
        for (std::int64_t s = 0; s < c.T; ++s) {
          if (!sees(span, b, t, s)) continue;
          double z = score(b, h, t, s);
          const auto away = span.causal ? t - s : std::abs(t - s);
          if (away <= c.window) z += c.alpha * score(b, h, s, t);
          sum += weights[static_cast<std::size_t>(s)] = std::exp(z);
        }
        for (std::int64_t s = 0; s < c.T; ++s) {
          rows[b][h][t][s] = weights[static_cast<std::size_t>(s)] / sum;
          values[b][t][h] += rows[b][h][t][s] * v.exact[b][s][h / (c.H / c.K)];
        }
      }
  return {values, rows};
}

// Where a query is kept: what stands at padded positions is unspecified.
Tensor kept_only(const Tensor& x, const Span& span, std::int64_t dim) {
  if (!span.keep_BT.defined()) return x;
  auto shape = std::vector<std::int64_t>(static_cast<std::size_t>(x.dim()), 1);
  shape[0] = x.size(0), shape[static_cast<std::size_t>(dim)] = span.keep_BT.size(1);
  return x.masked_fill(span.keep_BT.logical_not().view(shape), 0);
}

class AttendTest : public testing::Test {
 protected:
  void SetUp() override { at::manual_seed(seed_of_this_run()); }
};

TEST_F(AttendTest, IsTheEquationInEverySpanAndShape) {
  Cases cases;
  for (int i = 0; i < 60; ++i) {
    const Case c = cases.draw();
    SCOPED_TRACE(text_of(c));
    const Twin q({c.B, c.T, c.H, c.D}, at::kFloat), k({c.B, c.T, c.K, c.D}, at::kFloat),
        v({c.B, c.T, c.K, c.C}, at::kFloat);
    Span span{.causal = c.causal, .keep_BT = c.padded ? some_kept(c.B, c.T) : Tensor()};
    const at::NoGradGuard no_grad;
    const auto [values, rows] = by_loops(c, q, k, v, span);
    const auto check = [&](const Attended& found, double most) {
      EXPECT_LE(gap(kept_only(found.values_BTHC, span, 1), kept_only(values, span, 1)), most);
      const Tensor P = found.rows.by_head_BHTT;
      if (P.defined()) EXPECT_LE(gap(kept_only(P, span, 2), kept_only(rows, span, 2)), most);
      EXPECT_TRUE(found.values_BTHC.isfinite().all().item<bool>()) << "padded positions too";
    };
    AttentionInput exact(q.exact, k.exact, v.exact, kScale), own(q.own, k.own, v.own, kScale);
    exact.reciprocal = own.reciprocal = {.alpha = c.alpha, .window = c.window};
    check(attend_written_out(exact, {.dtype = at::kDouble, .span = span}), 1e-12);
    check(attend(own, {.wanted = true, .by_head = true, .most = 0}, {.dtype = at::kFloat, .span = span}),
          1e-5);
  }
}

// Gradients of what LibTorch's attention serves, which the reference has by autograd.
TEST_F(AttendTest, HasTheReferencesGradientsInEverySpan) {
  Cases cases;
  for (int i = 0; i < 40; ++i) {
    Case c = cases.draw();
    c.alpha = 0;
    SCOPED_TRACE(text_of(c));
    const Twin q({c.B, c.T, c.H, c.D}, at::kFloat), k({c.B, c.T, c.K, c.D}, at::kFloat),
        v({c.B, c.T, c.K, c.C}, at::kFloat);
    const Span span{.causal = c.causal, .keep_BT = c.padded ? some_kept(c.B, c.T) : Tensor()};
    const Tensor above = at::randn({c.B, c.T, c.H, c.C});
    const auto run = [&](const AttentionInput& in, at::ScalarType type) {
      const Attended found = type == at::kDouble ? attend_written_out(in, {.dtype = type, .span = span})
                                                 : attend(in, {}, {.dtype = type, .span = span});
      kept_only(found.values_BTHC, span, 1).backward(above.to(type));
    };
    run({q.own, k.own, v.own, kScale}, at::kFloat);
    run({q.exact, k.exact, v.exact, kScale}, at::kDouble);
    for (const Twin* twin : {&q, &k, &v}) {
      const double size = twin->exact.grad().norm().item<double>();
      EXPECT_LE((twin->own.grad().to(at::kDouble) - twin->exact.grad()).norm().item<double>(),
                1e-5 * std::max(size, 1.0));
    }
  }
}

TEST_F(AttendTest, RefusesHeadsThatDontDivide) {
  const auto heads = [](std::int64_t H) { return at::randn({1, 3, H, 2}); };
  EXPECT_THROW(attend({heads(4), heads(3), heads(3), 1}, {}, {}), c10::Error);
  EXPECT_THROW(attend({heads(4), heads(2), heads(4), 1}, {}, {}), c10::Error);
  AttentionInput reciprocal(heads(4), heads(2), heads(2), 1);
  reciprocal.reciprocal = {.alpha = 0.1, .window = 1};
  EXPECT_THROW(attend(reciprocal, {}, {}), c10::Error);
}

}  // namespace
}  // namespace kablate
