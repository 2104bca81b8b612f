// The loss in pieces of the logits against the plain one.
#include "model/loss.h"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "model/gpt.h"
#include "shape/policy.h"
#include "support/engine/model_fixture.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

constexpr std::int64_t kB = 3, kT = 17, kE = 10, kV = 23;

// Targets of which some do not count.
Tensor some_targets() {
  const Tensor targets = at::randint(0, kV, {kB, kT}, at::kLong);
  return targets.masked_fill(at::rand({kB, kT}).lt(0.2), -1).index_fill(1, at::tensor({0}, at::kLong), 3);
}

TEST(PiecedCrossEntropy, HasThePlainLossAndItsGradients) {
  at::manual_seed(seed_of_this_run());
  for (const auto& [type, most] : {std::pair{at::kDouble, 1e-12}, {at::kFloat, 2e-6}, {at::kBFloat16, 1e-2}})
    for (const std::int64_t rows : {1, 7, 51, 1000}) {
      SCOPED_TRACE(testing::Message() << at::toString(type) << ", " << rows << " rows");
      const Tensor targets = some_targets();
      const Twin x({kB, kT, kE}, type), stored({kV, kE}, type);
      // The master weight of a bfloat16 pass is float32.
      const auto wide = type == at::kBFloat16 ? at::kFloat : type;
      const Tensor weight = stored.own.detach().to(wide).set_requires_grad(true);
      const Head head{.values_BTE = x.own, .weight_VE = weight, .type = type};
      const Tensor loss = pieced_cross_entropy(head, targets, rows);
      const Tensor exact = cross_entropy(at::linear(x.exact, stored.exact), targets);
      EXPECT_LE(gap(loss, exact), most);
      (loss * 0.25).backward();
      (exact * 0.25).backward();
      EXPECT_LE(gap(x.own.grad(), x.exact.grad()), most);
      EXPECT_EQ(weight.grad().scalar_type(), wide);
      EXPECT_LE(gap(weight.grad(), stored.exact.grad()), most);
    }
}

TEST(PiecedCrossEntropy, WeightsItsTargets) {
  at::manual_seed(seed_of_this_run());
  for (const std::int64_t rows : {7, 51}) {
    const Tensor targets = some_targets(), weights = at::rand({kB, kT}, at::kDouble);
    const Twin x({kB, kT, kE}, at::kDouble), weight({kV, kE}, at::kDouble);
    const Head head{.values_BTE = x.own, .weight_VE = weight.own, .type = at::kDouble};
    const Tensor loss = pieced_cross_entropy(head, targets, rows, weights);
    const Tensor log_p = at::linear(x.exact, weight.exact).log_softmax(2);
    const Tensor counted = weights * targets.ne(-1);
    const Tensor said = log_p.gather(2, targets.clamp_min(0).unsqueeze(2)).squeeze(2);
    const Tensor exact = -(said * counted).sum() / counted.sum();
    EXPECT_LE(gap(loss, exact), 1e-12);
    EXPECT_LE(gap(cross_entropy(head.logits(), targets, weights), exact), 1e-12);
    loss.backward();
    exact.backward();
    EXPECT_LE(gap(x.own.grad(), x.exact.grad()), 1e-12);
    EXPECT_LE(gap(weight.own.grad(), weight.exact.grad()), 1e-12);
  }
}

// The head's weight is the embedding too: two gradients of one parameter.
TEST(PiecedCrossEntropy, HasTheGradientsOfAWholeModel) {
  const Config config = small_config({});
  const auto parameters = in_double(random_parameters(config, 5));
  const Sequences batch = random_sequences(config, 3, 7, 5);
  const auto gradients = [&](bool pieces) {
    const Head head = Gpt(config, parameters).head(as_tensor(batch.inputs));
    const Tensor targets = as_tensor(batch.targets);
    (pieces ? pieced_cross_entropy(head, targets, 4) : cross_entropy(head.logits(), targets)).backward();
    std::vector<Tensor> all;
    for (const auto& [name, tensor] : parameters.by_name()) {
      all.push_back(tensor.grad().clone());
      tensor.mutable_grad().reset();
    }
    return all;
  };
  const auto plain = gradients(false), pieced = gradients(true);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_LE(gap(pieced[i], plain[i]), 1e-11) << i;
}

TEST(PiecedCrossEntropy, LeavesRowsOutWhoseTargetsDoNotCount) {
  Tensor x = at::randn({1, 6, kE});
  x[0][2] = std::numeric_limits<float>::quiet_NaN();
  x.set_requires_grad(true);
  const Tensor targets = at::randint(0, kV, {1, 6}, at::kLong);
  targets[0][2] = -1;
  const Tensor weight = at::randn({kV, kE});
  const Tensor loss = pieced_cross_entropy({x, weight, at::kFloat}, targets, 4);
  loss.backward();
  EXPECT_TRUE(at::isfinite(loss).item<bool>());
  EXPECT_EQ(x.grad()[0][2].abs().sum().item<double>(), 0);
  targets[0][1] = -5;
  EXPECT_THROW(pieced_cross_entropy({x, weight, at::kFloat}, targets, 4), c10::Error);
}

TEST(PiecedCrossEntropy, NeedsNoGradient) {
  const at::NoGradGuard no_grad;
  const Tensor targets = some_targets();
  const Head head{
      .values_BTE = at::randn({kB, kT, kE}), .weight_VE = at::randn({kV, kE}), .type = at::kFloat};
  EXPECT_NEAR(pieced_cross_entropy(head, targets, 5).item<double>(),
              cross_entropy(head.logits(), targets).item<double>(), 1e-5);
}

TEST(PiecedCrossEntropy, RefusesASecondGradient) {
  const Tensor x = at::randn({kB, kT, kE}).set_requires_grad(true);
  const Tensor loss = pieced_cross_entropy({x, at::randn({kV, kE}), at::kFloat}, some_targets(), 5);
  loss.backward({}, /*retain_graph=*/true);
  EXPECT_THROW(loss.backward(), c10::Error);
}

TEST(HeadCrossEntropy, GoesInPiecesWhereLogitsAreMany) {
  EXPECT_EQ(head_rows(2048, 80, {}), 2048);
  EXPECT_EQ(head_rows(16384, 50304, {}), 1024);
  EXPECT_EQ(head_rows(512, 50304, {}), 512);
  // Only the loss in pieces refuses a second gradient.
  const auto twice = [](const Limits& limits) {
    const Tensor x = at::randn({1, 9, 2}).set_requires_grad(true);
    const Head head{.values_BTE = x, .weight_VE = at::randn({5, 2}), .type = at::kFloat, .limits = limits};
    const Tensor loss = head_cross_entropy(head, at::randint(0, 5, {1, 9}, at::kLong));
    loss.backward({}, /*retain_graph=*/true);
    loss.backward();
  };
  EXPECT_THROW(twice({.logits = 44, .logit_rows = 4}), c10::Error);
  EXPECT_NO_THROW(twice({.logits = 45, .logit_rows = 4}));
  EXPECT_NO_THROW(twice({}));
}

}  // namespace
}  // namespace kablate
