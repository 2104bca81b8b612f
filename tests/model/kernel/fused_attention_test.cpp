// The attention kernels against the written-out reference in float64, values and gradients, on random shapes.
#include <cmath>
#include <limits>
#include <random>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/text.h"
#include "model/attention/attend.h"
#include "model/kernel/cpu_kernels.h"
#include "model/kernel/fused_attention.h"
#include "model/kernel/selected_route.h"
#include "model/mechanism/sparsify.h"
#include "support/engine/attention_rounding.h"
#include "support/engine/kernel_test.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

constexpr double kFloatGap = 1e-6, kHalfGap = 5e-3;
// Standard deviation of one rounding's relative error. To 8 bits it is at most 2^-8, and 0.42 of that over
// mantissas evenly spread in their logarithm. In float32 what counts are the sums of up to 256 terms before
// each rounding.
constexpr double kHalfRounding = 0.42 * 0x1p-8, kFloatRounding = 6 * 0x1p-24;

struct Case {
  std::int64_t B, T, H, K, D, C;
  at::ScalarType type;
  Reciprocal reciprocal;
  double scale;
  double drop;  // of the weights
  bool causal;

  Dropout dropout() const {
    constexpr std::uint64_t kSeed = 3, kFar = std::uint64_t{1} << 40;
    return drop > 0 ? Dropout(drop, kSeed, {5, kFar, 6}) : Dropout();
  }
};

std::string text_of(const Case& c) {
  return str("B ", c.B, ", T ", c.T, ", H ", c.H, ", K ", c.K, ", D ", c.D, ", C ", c.C, ", ",
             c.type == at::kFloat ? "float32" : "bfloat16", ", alpha ", c.reciprocal.alpha, ", window ",
             c.reciprocal.window, ", dropout ", c.drop, c.causal ? "" : ", bidirectional");
}

class Shapes {
 public:
  Case draw() {
    const auto pick = [&](std::int64_t low, std::int64_t high) {
      return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
    };
    const bool half = pick(0, 1) == 1;
    const std::int64_t widest = pick(0, 7) == 0 ? 256 : 80;
    const bool drops = pick(0, 2) == 0;
    const auto width = [&] { return half ? 2 * pick(1, widest / 2) : pick(1, widest); };
    const auto T = drops ? 4 * pick(1, 50) : pick(1, 200), D = width(), C = pick(0, 1) == 0 ? D : width();
    const auto K = pick(1, 3), group = pick(0, 1) == 0 ? 1 : pick(2, 4);
    const bool causal = pick(0, 2) > 0;
    const double alpha = causal && group == 1 && pick(0, 2) == 0 ? 0.3 : 0;
    return {drops ? 3 : pick(1, 3),
            T,
            K * group,
            K,
            D,
            C,
            half ? at::kBFloat16 : at::kFloat,
            {alpha, pick(0, 2 * T)},
            0.5 / std::sqrt(static_cast<double>(D)),
            drops ? 0.3 : 0,
            causal};
  }

 private:
  std::mt19937 engine_{seed_of_this_run()};
};

struct Inputs {
  explicit Inputs(const Case& c)
      : q({c.B, c.T, c.H, c.D}, c.type), k({c.B, c.T, c.K, c.D}, c.type), v({c.B, c.T, c.K, c.C}, c.type) {}

  // Values and gradients from float64, each by no more than rounding explains: two standard deviations of the
  // error analysis, since the weights of a row that are nearly equal round alike, and more of them where few
  // rows are added up.
  void expect_equal(const Case& c, const Tensor& o, const Tensor& exact_o, const Tensor& above,
                    const Tensor& rows_above = {}) const {
    AttentionCase numbers{q.exact, k.exact, v.exact, above.to(at::kDouble), c.scale, c.reciprocal,
                          {},      {},      c.causal};
    if (c.drop > 0)
      numbers.kept_BHTT = c.dropout().apply(at::ones({c.B, c.H, c.T, c.T}, at::kDouble), "site");
    if (rows_above.defined()) numbers.rows_above_BHTT = rows_above.to(at::kDouble);
    const auto expected = attention_rounding(numbers, c.type == at::kFloat ? kFloatRounding : kHalfRounding);
    const double most = 2 + 4 / std::sqrt(static_cast<double>(c.B * c.H * c.T));
    const auto check = [&](const char* name, const Tensor& found, const Tensor& exact, double deviation) {
      const double error = (found.to(at::kDouble) - exact).norm().item<double>();
      EXPECT_LE(error, most * deviation) << name << ", of norm " << exact.norm().item<double>();
    };
    check("values", o, exact_o, expected.o);
    check("q", q.own.grad(), q.exact.grad(), expected.q);
    check("k", k.own.grad(), k.exact.grad(), expected.k);
    check("v", v.own.grad(), v.exact.grad(), expected.v);
  }

  Twin q, k, v;
};

Pass pass_of(at::ScalarType dtype, const Dropout& dropout = {}, bool causal = true) {
  return {.dtype = dtype, .span = {.causal = causal}, .dropout = dropout};
}

AttentionInput input_of(const Case& c, const Tensor& q, const Tensor& k, const Tensor& v) {
  AttentionInput input(q, k, v, c.scale);
  input.reciprocal = c.reciprocal, input.site = "site";
  return input;
}

// The kernels' and the reference's, of the same weights dropped.
Attended fused(const Case& c, const Tensor& q, const Tensor& k, const Tensor& v,
               const RowsRequest& rows = {}) {
  return fused_attention(input_of(c, q, k, v), rows, c.dropout(), c.causal);
}
Attended written_out(const Case& c, const Inputs& in) {
  return attend_written_out(input_of(c, in.q.exact, in.k.exact, in.v.exact),
                            pass_of(at::kDouble, c.dropout(), c.causal));
}

class FusedAttention : public KernelTest {};
INSTANTIATE_TEST_SUITE_P(Cpu, FusedAttention, each_instruction_set(), instruction_set);

TEST_P(FusedAttention, AgreesWithTheReferenceInValuesAndGradients) {
  Shapes shapes;
  for (int i = 0; i < 60; ++i) {
    const Case c = shapes.draw();
    SCOPED_TRACE(text_of(c));
    const Inputs inputs(c);
    const auto& [q, k, v] = inputs;
    const Tensor above = at::randn({c.B, c.T, c.H, c.C}).to(c.type);
    const Tensor o = fused(c, q.own, k.own, v.own).values_BTHC;
    const Tensor exact = written_out(c, inputs).values_BTHC;
    o.backward(above);
    exact.backward(above.to(at::kDouble));
    inputs.expect_equal(c, o, exact, above);
  }
}

TEST_P(FusedAttention, TakesThemPackedAndKeysThatHeadsShare) {
  const std::int64_t B = 2, T = 70, H = 3, D = 20;
  const Tensor qkv = at::randn({B, T, 3 * H, D}).set_requires_grad(true);
  const Tensor apart = qkv.detach().clone().set_requires_grad(true);
  const Tensor above = at::randn({B, T, H, D});
  const Tensor packed = fused_attention({qkv, H, 0.2}, {}).values_BTHC;
  const Tensor separate =
      fused_attention({apart.narrow(2, 0, H), apart.narrow(2, H, H), apart.narrow(2, 2 * H, H), 0.2}, {})
          .values_BTHC;
  EXPECT_TRUE(at::equal(packed, separate));
  packed.backward(above);
  separate.backward(above);
  EXPECT_TRUE(at::equal(qkv.grad(), apart.grad()));

  const Tensor q = at::randn({B, T, H, D}), shared = at::randn({B, T, 1, D}).set_requires_grad(true);
  const Tensor own = shared.detach().clone().set_requires_grad(true);
  const auto run = [&](const Tensor& k) { return fused_attention({q, k, k, 0.2}, {}).values_BTHC; };
  const Tensor expanded = run(shared.expand({B, T, H, D})), copied = run(own.repeat({1, 1, H, 1}));
  EXPECT_TRUE(at::equal(expanded, copied));
  expanded.backward(above);
  copied.backward(above);
  EXPECT_LE(gap(shared.grad(), own.grad().to(at::kDouble)), kFloatGap);
}

// A copy of each head of keys for every head of queries that reads it gives the same bits, and its gradient
// is the sum of theirs.
TEST_P(FusedAttention, ReadsAHeadOfKeysForSeveralOfQueriesWithoutACopy) {
  const std::int64_t B = 2, T = 70, H = 6, K = 2, D = 20, C = 12;
  const Tensor q = at::randn({B, T, H, D});
  const auto leaf = [](const Tensor& x) { return x.detach().clone().set_requires_grad(true); };
  const Tensor k = leaf(at::randn({B, T, K, D})), v = leaf(at::randn({B, T, K, C}));
  const Tensor k_copied = leaf(k.repeat_interleave(H / K, 2)), v_copied = leaf(v.repeat_interleave(H / K, 2));
  const RowsRequest rows{.wanted = true, .by_head = true, .most = 0};
  const auto grouped = fused_attention({q, k, v, 0.2}, rows),
             copied = fused_attention({q, k_copied, v_copied, 0.2}, rows);
  EXPECT_TRUE(at::equal(grouped.values_BTHC, copied.values_BTHC));
  EXPECT_TRUE(at::equal(grouped.rows.by_head_BHTT, copied.rows.by_head_BHTT));
  const Tensor above = at::randn({B, T, H, C});
  grouped.values_BTHC.backward(above), copied.values_BTHC.backward(above);
  const auto summed = [&](const Tensor& x) { return x.unflatten(2, {K, H / K}).to(at::kDouble).sum(3); };
  EXPECT_LE(gap(k.grad(), summed(k_copied.grad())), kFloatGap);
  EXPECT_LE(gap(v.grad(), summed(v_copied.grad())), kFloatGap);
}

TEST_P(FusedAttention, LooksAtNoLaterToken) {
  Shapes shapes;
  for (int i = 0; i < 20; ++i) {
    Case c = shapes.draw();
    c.causal = true;
    SCOPED_TRACE(text_of(c));
    const auto seen = c.T / 2;
    const auto like = [&](const Tensor& x) { return at::randn(x.sizes()).to(c.type); };
    const Tensor q = at::randn({c.B, c.T, c.H, c.D}).to(c.type),
                 k = at::randn({c.B, c.T, c.K, c.D}).to(c.type),
                 v = at::randn({c.B, c.T, c.K, c.C}).to(c.type);
    const auto run = [&](bool other) {
      const auto change = [&](const Tensor& x) {
        return other ? at::cat({x.narrow(1, 0, seen), 100 * like(x).narrow(1, seen, c.T - seen)}, 1) : x;
      };
      return fused(c, change(q), change(k), change(v), {.wanted = true, .by_head = false, .most = 0});
    };
    const auto first = run(false), second = run(true);
    EXPECT_TRUE(at::equal(first.values_BTHC.narrow(1, 0, seen), second.values_BTHC.narrow(1, 0, seen)));
    EXPECT_TRUE(at::equal(first.rows.mean_BTT.narrow(1, 0, seen), second.rows.mean_BTT.narrow(1, 0, seen)));
  }
}

TEST_P(FusedAttention, HasTheSameBitsOnAnyNumberOfThreads) {
  const Tensor qkv = at::randn({3, 130, 6, 16}).set_requires_grad(true);
  const auto run = [&](int threads) {
    at::set_num_threads(threads);
    qkv.mutable_grad().reset();
    const auto made = fused_attention({qkv, 2, 0.25}, {.wanted = true, .by_head = false, .most = 4});
    (made.values_BTHC.square().sum() + made.rows.largest_BTk.square().sum()).backward();
    at::set_num_threads(1);
    return std::vector<Tensor>{made.values_BTHC, made.rows.largest_BTk, qkv.grad().clone()};
  };
  const auto one = run(1), three = run(3);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i], three[i])) << i;
}

// P is made again from scores less their logarithmic sum: what float32 keeps of a score of hundreds.
TEST_P(FusedAttention, HoldsWhereScoresAreLarge) {
  const Twin q({2, 90, 2, 16}, at::kFloat), k({2, 90, 2, 16}, at::kFloat), v({2, 90, 2, 16}, at::kFloat);
  constexpr double kScale = 20;
  const Tensor o = fused_attention({q.own, k.own, v.own, kScale}, {}).values_BTHC;
  const Tensor exact =
      attend_written_out({q.exact, k.exact, v.exact, kScale}, pass_of(at::kDouble)).values_BTHC;
  EXPECT_LE(gap(o, exact), 1e-4);
  o.sum().backward(), exact.sum().backward();
  for (const auto* twin : {&q, &k, &v}) EXPECT_LE(gap(twin->own.grad(), twin->exact.grad()), 1e-3);
}

TEST_P(FusedAttention, AsksForAGradientOfItsGradientInVain) {
  const Tensor q = at::randn({1, 9, 1, 8}).set_requires_grad(true);
  const Tensor o = fused_attention({q, q, q, 1}, {}).values_BTHC;
  EXPECT_THROW(o.sum().backward({}, /*retain_graph=*/true, /*create_graph=*/true), c10::Error);
}

TEST_P(FusedAttention, ANanInAQueryComesOut) {
  Tensor q = at::randn({1, 20, 1, 8});
  q[0][12][0][3] = std::numeric_limits<float>::quiet_NaN();
  const Tensor k = at::randn({1, 20, 1, 8});
  const Tensor o = fused_attention({q, k, k, 1}, {}).values_BTHC;
  EXPECT_TRUE(at::isnan(o.select(1, 12)).all().item<bool>());
  EXPECT_FALSE(at::isnan(o.narrow(1, 0, 12)).any().item<bool>());
}

TEST_P(FusedAttention, MakesRowsWithTheirGradientAndLeavesTheValuesAlone) {
  Shapes shapes;
  for (int i = 0; i < 30; ++i) {
    const Case c = shapes.draw();
    SCOPED_TRACE(text_of(c));
    const double most = c.type == at::kFloat ? kFloatGap : kHalfGap;
    const Inputs inputs(c);
    const auto& [q, k, v] = inputs;
    const bool by_head = i % 2 == 1;
    const auto made = fused(c, q.own, k.own, v.own, {.wanted = true, .by_head = by_head, .most = 0});
    const auto exact = written_out(c, inputs);
    const Tensor rows = by_head ? made.rows.by_head_BHTT : made.rows.mean_BTT;
    const Tensor exact_rows = by_head ? exact.rows.by_head_BHTT : exact.rows.by_head_BHTT.mean(1);
    const Tensor above = at::randn({c.B, c.T, c.H, c.C}).to(c.type), rows_above = at::randn(rows.sizes());
    EXPECT_TRUE(at::equal(made.values_BTHC, fused(c, q.own, k.own, v.own).values_BTHC));
    EXPECT_LE(gap(rows, exact_rows), most);
    ((made.values_BTHC * above).sum() + (rows * rows_above).sum()).backward();
    ((exact.values_BTHC * above).sum() + (exact_rows * rows_above).sum()).backward();
    const Tensor of_every_head =
        by_head ? rows_above : (rows_above / c.H).unsqueeze(1).expand({-1, c.H, -1, -1});
    inputs.expect_equal(c, made.values_BTHC, exact.values_BTHC, above, of_every_head);
  }
}

// The selection is compared on the kernel's own rows: near ties fall otherwise in float64.
TEST_P(FusedAttention, SelectsTheLargestOfEachRow) {
  Shapes shapes;
  for (int i = 0; i < 30; ++i) {
    const Case c = shapes.draw();
    const std::int64_t k = 1 + i % 9;
    SCOPED_TRACE(str(text_of(c), ", k ", k));
    const auto draw = [&](std::int64_t heads, std::int64_t width) {
      return at::randn({c.B, c.T, heads, width}).to(c.type).set_requires_grad(true);
    };
    const Tensor query = draw(c.H, c.D), key = draw(c.K, c.D), value = draw(c.K, c.C);
    const auto all = fused(c, query, key, value, {.wanted = true, .by_head = false, .most = 0});
    const auto some = fused(c, query, key, value, {.wanted = true, .by_head = false, .most = k});
    const Tensor selected = all.rows.mean_BTT * top_k_mask_reference(all.rows.mean_BTT, k);
    EXPECT_TRUE(at::equal(dense_rows(some.rows.largest_BTk, some.rows.columns_BTk), selected));

    const Tensor weights = at::randn({c.B, c.T, c.T});
    const auto leaves = std::vector<Tensor>{query, key, value};
    (selected * weights).sum().backward();
    std::vector<Tensor> dense;
    for (const auto& leaf : leaves) dense.push_back(leaf.grad().clone()), leaf.mutable_grad().reset();
    (dense_rows(some.rows.largest_BTk, some.rows.columns_BTk) * weights).sum().backward();
    for (std::size_t j = 0; j < 2; ++j) EXPECT_LE(gap(leaves[j].grad(), dense[j].to(at::kDouble)), 1e-6) << j;
  }
}

TEST_P(FusedAttention, OfEqualWeightsTheLowerColumnIsSelected) {
  const Tensor q = at::zeros({1, 40, 2, 4}), v = at::randn({1, 40, 2, 4});
  const auto rows = fused_attention({q, q, v, 1}, {.wanted = true, .by_head = false, .most = 3}).rows;
  for (std::int64_t t = 0; t < 40; ++t)
    for (std::int64_t j = 0; j < 3; ++j)
      EXPECT_EQ(rows.columns_BTk[0][t][j].item<int>(), j <= t ? j : -1) << t;
}

TEST_P(FusedAttention, RoutesAlongTheSelectedEntries) {
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const std::int64_t B = 2, T = 75, F = 530, k = 5;
    const Tensor q = at::randn({B, T, 2, 8});
    const auto rows = fused_attention({q, q, q, 0.4}, {.wanted = true, .by_head = false, .most = k}).rows;
    const Tensor weights = rows.largest_BTk.detach().set_requires_grad(true);
    const Twin u({B, T, F}, type);
    const Tensor exact_weights = weights.detach().to(at::kDouble).set_requires_grad(true);
    const Tensor above = at::randn({B, T, F}).to(type);
    const Tensor y = route_selected(weights, rows.columns_BTk, u.own);
    const Tensor exact = at::bmm(dense_rows(exact_weights, rows.columns_BTk), u.exact);
    const double most = type == at::kFloat ? kFloatGap : kHalfGap;
    EXPECT_LE(gap(y, exact), most);
    y.backward(above);
    exact.backward(above.to(at::kDouble));
    const Tensor real = rows.columns_BTk.ge(0);
    EXPECT_LE(gap(u.own.grad(), u.exact.grad()), most);
    EXPECT_LE(gap(weights.grad() * real, exact_weights.grad() * real), most);
    EXPECT_EQ((weights.grad() * real.logical_not()).abs().max().item<double>(), 0);
  }
}

TEST(FusedAttentionServes, NotWhatItWasNotMadeFor) {
  const auto serves = [](std::int64_t D, at::ScalarType type) {
    return fused_attention_serves(at::zeros({1, 4, 1, D}, type));
  };
  EXPECT_EQ(serves(256, at::kFloat), kernel::cpu_kernels() != nullptr);
  EXPECT_FALSE(serves(257, at::kFloat));
  EXPECT_FALSE(serves(7, at::kBFloat16)) << "odd";
  EXPECT_FALSE(serves(8, at::kDouble));
}

// KERNELS = portable. The rows' scores are float32 in bfloat16 too.
TEST(AttentionByLibrary, GivesTheSameHeadsWhetherRowsAreAskedForOrNot) {
  const auto* before = kernel::cpu_kernels();
  kernel::set_cpu_kernels(nullptr);
  at::manual_seed(seed_of_this_run());
  for (const auto type : {at::kFloat, at::kBFloat16}) {
    const Twin q({2, 70, 3, 8}, type), k({2, 70, 3, 8}, type), v({2, 70, 3, 8}, type);
    EXPECT_FALSE(fused_attention_serves(q.own));
    const Pass pass = pass_of(type);
    const auto run = [&](bool rows) {
      return attend({q.own, k.own, v.own, 0.3}, {.wanted = rows, .by_head = true, .most = 0}, pass);
    };
    const auto without = run(false), with = run(true);
    EXPECT_TRUE(at::equal(without.values_BTHC, with.values_BTHC));
    EXPECT_FALSE(without.rows.by_head_BHTT.defined());
    const auto exact = attend_written_out({q.exact, k.exact, v.exact, 0.3}, pass_of(at::kDouble));
    EXPECT_LE(gap(with.values_BTHC, exact.values_BTHC), type == at::kFloat ? kFloatGap : kHalfGap);
    EXPECT_LE(gap(with.rows.by_head_BHTT, exact.rows.by_head_BHTT), kFloatGap);
  }
  kernel::set_cpu_kernels(before);
}

}  // namespace
}  // namespace kablate
