// Filling in: how much is drawn again and which, what stays, and what a draw hangs on.
#include "generate/unmask.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "generate/likeliest.h"
#include "support/engine/model_fixture.h"

namespace kablate {
namespace {

using testing::ElementsAre;

constexpr std::int64_t kMask = 10;

struct Small {
  Config config;
  ParameterSet parameters;
  Gpt model;

  explicit Small(const Deltas& more = {})
      : config(small_config(
            Deltas{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}, {"CRITIC", "y"}} +
            more)),
        parameters(random_parameters(config, 3)),
        model(config, parameters) {}
};

UnmaskOptions options(std::int64_t steps, bool by_critic = false) {
  return {.steps = steps, .by_critic = by_critic, .seed = 4, .ids = {0, 1, 2, 4, 6, 9}, .mask_token = kMask};
}

TEST(MaskedAfter, GoesDownAsTheCosine) {
  std::vector<std::int64_t> left;
  for (std::int64_t i = 1; i <= 4; ++i) left.push_back(masked_after(i, 4, 100));
  EXPECT_THAT(left, ElementsAre(92, 70, 38, 0));
  EXPECT_EQ(masked_after(1, 1, 100), 0);
}

TEST(LeastSure, TakesTheLaterOfEqualOnes) {
  const Tensor sure = at::tensor({0.5, 0.2, 0.2, 0.1, 0.2}, at::kDouble).unsqueeze(0);
  const Tensor among = at::tensor({1, 1, 1, 0, 1}, at::kLong).to(at::kBool).unsqueeze(0);
  const auto chosen = [&](std::int64_t count) {
    const Tensor places = least_sure(sure, among, at::tensor({count}, at::kLong))[0].nonzero().flatten();
    const auto* begin = places.const_data_ptr<std::int64_t>();
    return std::vector<std::int64_t>(begin, begin + places.numel());
  };
  EXPECT_THAT(chosen(0), ElementsAre());
  EXPECT_THAT(chosen(1), ElementsAre(4));
  EXPECT_THAT(chosen(2), ElementsAre(2, 4));
  EXPECT_THAT(chosen(3), ElementsAre(1, 2, 4));
  EXPECT_THAT(chosen(4), ElementsAre(0, 1, 2, 4));
}

TEST(Unmask, KeepsThePromptAndDrawsWhatItMay) {
  const Small small;
  for (const bool by_critic : {false, true}) {
    Tensor tokens = at::full({3, 8}, 5, at::kLong), fill = at::ones({3, 8}, at::kBool);
    fill.narrow(1, 0, 2).fill_(false);
    const Tensor filled = unmask(small.model, tokens, fill, {}, 0, options(5, by_critic));
    EXPECT_TRUE(filled.narrow(1, 0, 2).eq(5).all().item<bool>());
    EXPECT_TRUE(
        at::isin(filled.narrow(1, 2, 6), at::tensor({0, 1, 2, 4, 6, 9}, at::kLong)).all().item<bool>());
    EXPECT_TRUE(tokens.eq(5).all().item<bool>());
  }
}

// A sequence is what it is whatever stands beside it, and another under another seed or number.
TEST(Unmask, HangsOnSeedAndNumber) {
  const Small small;
  const Tensor tokens = at::zeros({4, 8}, at::kLong), fill = at::ones({4, 8}, at::kBool);
  for (const bool by_critic : {false, true}) {
    const Tensor together = unmask(small.model, tokens, fill, {}, 7, options(3, by_critic));
    for (std::int64_t b = 0; b < 4; ++b)
      EXPECT_TRUE(at::equal(unmask(small.model, tokens.narrow(0, b, 1), fill.narrow(0, b, 1), {},
                                   7 + static_cast<std::uint64_t>(b), options(3, by_critic))[0],
                            together[b]));
    EXPECT_FALSE(at::equal(together[0], together[1]));
    auto other = options(3, by_critic);
    other.seed = 5;
    EXPECT_FALSE(at::equal(unmask(small.model, tokens, fill, {}, 7, other), together));
  }
}

// Near no temperature every place is what the model finds likeliest of a sequence of masks.
TEST(Unmask, InOneStepIsOnePass) {
  const Small small;
  auto cold = options(1);
  cold.temperature = 1e-6;
  const Tensor fill = at::ones({1, 8}, at::kBool), masks = at::full({1, 8}, kMask, at::kLong);
  const Tensor ids = at::tensor(cold.ids, at::kLong);
  const at::NoGradGuard no_grad;
  const Tensor expected =
      ids.index_select(0, small.model.logits(masks).index_select(2, ids).argmax(2).flatten());
  EXPECT_TRUE(at::equal(unmask(small.model, masks, fill, {}, 0, cold)[0], expected));
}

// By hand, a place at a time: two steps, the less sure of the first drawn again with the others in sight.
TEST(Unmask, DrawsAgainWhatIsLeastSure) {
  const Small small;
  const at::NoGradGuard no_grad;
  for (const bool by_critic : {false, true}) {
    const auto drawing = options(2, by_critic);
    const Tensor fill = at::ones({1, 8}, at::kBool), tokens = at::zeros({1, 8}, at::kLong);
    const Unmasking steps(small.model, {}, 0, drawing);
    Tensor by_hand = at::full({1, 8}, kMask, at::kLong);
    const Tensor sure =
        by_critic ? (steps.draw(by_hand, fill, 1), steps.approval(by_hand)) : steps.draw(by_hand, fill, 1);
    std::vector<std::pair<double, std::int64_t>> places;
    for (std::int64_t t = 0; t < 8; ++t) places.emplace_back(sure[0][t].item<double>(), -t);
    std::sort(places.begin(), places.end());
    Tensor again = at::zeros({1, 8}, at::kBool);
    for (std::size_t i = 0; i < 5; ++i) again[0][-places[i].second] = true;  // ⌊cos(π/4)·8⌋
    by_hand.masked_fill_(again, kMask);
    steps.draw(by_hand, again, 2);
    EXPECT_TRUE(at::equal(unmask(small.model, tokens, fill, {}, 0, drawing), by_hand));
  }
}

TEST(Unmask, ReadsNoPadding) {
  const Small small;
  Tensor keep = at::ones({2, 8}, at::kBool);
  keep[0].narrow(0, 5, 3).fill_(false), keep[1].narrow(0, 3, 5).fill_(false);
  const Tensor a = at::zeros({2, 8}, at::kLong), b = at::where(keep, a, 7);
  for (const bool by_critic : {false, true})
    EXPECT_TRUE(at::equal(unmask(small.model, a, keep, keep, 0, options(3, by_critic)).index({keep}),
                          unmask(small.model, b, keep, keep, 0, options(3, by_critic)).index({keep})));
}

TEST(Likeliest, LeavesTheKAndTheirShare) {
  const Tensor scores = at::tensor({0.1, 0.4, 0.2, 0.3}, at::kDouble).log().expand({2, 4});
  const auto left = [](const Tensor& x) { return x[1].isfinite().nonzero().flatten(); };
  EXPECT_TRUE(at::equal(left(likeliest(scores, 2, 1)), at::tensor({1, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(left(likeliest(scores, 0, 0.75)), at::tensor({1, 2, 3}, at::kLong)));
  EXPECT_TRUE(at::equal(left(likeliest(scores, 0, 0.3)), at::tensor({1}, at::kLong)));
  EXPECT_TRUE(at::equal(likeliest(scores, 0, 1), scores));
}

}  // namespace
}  // namespace kablate
