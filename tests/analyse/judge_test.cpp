// What a judge makes of texts, and what is repaired, against loops of their own.
#include "analyse/judge.h"

#include <algorithm>
#include <cmath>
#include <set>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "generate/unmask.h"
#include "support/engine/model_fixture.h"
#include "support/engine/small_trial.h"
#include "train/contract.h"

namespace kablate {
namespace {

using testing_support::SmallTrial;

const Deltas kCritic{{"OBJECTIVE", "masked_token"},
                     {"ATTENTION_DIRECTION", "bidirectional"},
                     {"CRITIC", "y"},
                     {"MASK_RATE", "0.4"}};
constexpr std::int64_t kTexts = 18;

// A masked model and a judge of the same text, with random weights.
struct Court {
  SmallTrial masked{kCritic}, causal;
  ParameterSet of_masked = random_parameters(masked.config, 5),
               of_judge = random_parameters(causal.config, 6);
  Gpt model{masked.config, of_masked}, judge{causal.config, of_judge};
  std::vector<std::int64_t> numbers =
      contract_numbers(contract_count(*masked.data, Split::kValidation, masked.config.gpt.context), kTexts);
  Tensor windows = contract_windows(masked.config, *masked.data, Split::kValidation, numbers).inputs;
  std::function<void()> between = [] {};

  UnmaskOptions drawing(bool by_critic) const {
    return {.steps = 3,
            .by_critic = by_critic,
            .seed = 2,
            .ids = masked.data->tokenizer().ids(),
            .mask_token = masked.data->vocabulary()};
  }
  JudgeOptions options(bool by_critic) const {
    return {.texts = kTexts, .steps = 3, .by_critic = by_critic, .seed = 2};
  }

  // A text and a token at a time.
  Reading read(const Tensor& texts) const {
    const at::NoGradGuard no_grad;
    double sum = 0;
    std::set<std::vector<std::int64_t>> runs;
    std::int64_t count = 0, all = 0;
    for (std::int64_t b = 0; b < texts.size(0); ++b) {
      const auto* ids = texts.const_data_ptr<std::int64_t>() + b * texts.size(1);
      const Tensor log_p = judge.logits(texts.narrow(0, b, 1))[0].to(at::kDouble).log_softmax(1);
      for (std::int64_t t = 1; t < texts.size(1); ++t, ++count) sum -= log_p[t - 1][ids[t]].item<double>();
      for (std::int64_t t = 3; t < texts.size(1); ++t, ++all) runs.insert({ids + t - 3, ids + t + 1});
    }
    return {sum / static_cast<double>(count), static_cast<double>(runs.size()) / static_cast<double>(all)};
  }
};

TEST(Judge, ReadsTheData) {
  const Court court;
  const auto found =
      judge_data(court.masked.config, court.judge, *court.masked.data, kTexts, at::kCPU, court.between);
  const auto expected = court.read(court.windows.contiguous());
  EXPECT_NEAR(found.loss, expected.loss, 1e-5);
  EXPECT_EQ(found.distinct, expected.distinct);
  EXPECT_LT(found.distinct, 1);
}

TEST(Judge, ReadsWhatIsWritten) {
  const Court court;
  for (const bool by_critic : {false, true}) {
    const auto drawing = court.drawing(by_critic);
    const Tensor texts =
        unmask(court.model, court.windows, at::ones(court.windows.sizes(), at::kBool), {}, 0, drawing);
    const auto expected = court.read(texts.contiguous());
    const auto found = judge_texts(court.masked.config, court.model, court.judge, *court.masked.data,
                                   court.options(by_critic), at::kCPU, court.between);
    EXPECT_NEAR(found.loss, expected.loss, 1e-5);
    EXPECT_EQ(found.distinct, expected.distinct);
  }
}

// A window at a time: its masks, a draw, the less sure half again, and counts.
TEST(Judge, CountsWhatIsRepaired) {
  const Court court;
  const auto& config = court.masked.config;
  for (const bool by_critic : {false, true}) {
    const auto drawing = court.drawing(by_critic);
    double filled = 0, right = 0, repaired = 0, broken = 0;
    for (std::size_t i = 0; i < court.numbers.size(); ++i) {
      const std::vector<std::int64_t> one{court.numbers[i]};
      const Batch batch =
          contract_keyed(config, contract_windows(config, *court.masked.data, Split::kValidation, one), 0,
                         drawing.mask_token);
      const Tensor masked = batch.targets.ge(0);
      const Unmasking steps(court.model, {}, i, drawing);
      Tensor tokens = batch.inputs.clone();
      const Tensor first = steps.draw(tokens, masked, 1), sure = by_critic ? steps.approval(tokens) : first;
      const Tensor drawn = tokens.clone();
      std::vector<std::pair<double, std::int64_t>> places;
      for (std::int64_t t = 0; t < tokens.size(1); ++t)
        if (masked[0][t].item<bool>()) places.emplace_back(sure[0][t].item<double>(), -t);
      std::sort(places.begin(), places.end());
      places.resize((places.size() + 1) / 2);
      Tensor again = at::zeros_like(masked);
      for (const auto& [confidence, place] : places)
        again[0][-place] = true, tokens[0][-place] = drawing.mask_token;
      steps.draw(tokens, again, 2);
      for (std::int64_t t = 0; t < tokens.size(1); ++t) {
        if (!masked[0][t].item<bool>()) continue;
        const auto wanted = batch.targets[0][t].item<std::int64_t>();
        const bool before = drawn[0][t].item<std::int64_t>() == wanted,
                   after = tokens[0][t].item<std::int64_t>() == wanted;
        ++filled, right += before, repaired += !before && after, broken += before && !after;
      }
    }
    const auto found = judge_repair(config, court.model, *court.masked.data, court.options(by_critic),
                                    at::kCPU, court.between);
    ASSERT_GT(right, 0);
    EXPECT_DOUBLE_EQ(found.right, right / filled);
    EXPECT_DOUBLE_EQ(found.repaired, repaired / (filled - right));
    EXPECT_DOUBLE_EQ(found.broken, broken / right);
  }
}

}  // namespace
}  // namespace kablate
