// What a trial is held against, by hand.
#include "train/contract.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/engine/small_trial.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing_support::SmallTrial;

TEST(ContractNumbers, AreEvenlySpaced) {
  EXPECT_THAT(contract_numbers(10, 4), ElementsAre(0, 2, 5, 7));
  EXPECT_THAT(contract_numbers(3, 0), ElementsAre(0, 1, 2));
  EXPECT_THAT(contract_numbers(3, 9), ElementsAre(0, 1, 2));
}

TEST(ContractCount, IsOfWindowsThatHaveALastTarget) {
  const SmallTrial trial;  // 3,000 characters, 300 of which validate
  EXPECT_EQ(contract_count(*trial.data, Split::kValidation, 10), 29);
  EXPECT_EQ(contract_count(*trial.data, Split::kValidation, 16), 18);
  EXPECT_EQ(contract_count(*trial.data, Split::kTrain, 10), 269);
}

// Two positions of four count, one of them twice as much.
TEST(ContractLoss, IsTheSumOverWhatCounts) {
  const SmallTrial trial({{"OBJECTIVE", "masked_token"},
                          {"ATTENTION_DIRECTION", "bidirectional"},
                          {"MASK_SCHEDULE", "uniform"}});
  Batch batch{
      .inputs = at::zeros({1, 4}, at::kLong),
      .targets =
          at::tensor(std::vector<std::int64_t>{0, kIgnoreIndex, 1, kIgnoreIndex}, at::kLong).view({1, 4}),
      .weights = at::tensor({1.0, 0.0, 2.0, 0.0}, at::kFloat).view({1, 4})};
  // The mask token, 2, would have nearly all of the probability.
  const Tensor logits = at::tensor({std::log(3.0), 0.0, 50.0}, at::kDouble).expand({1, 4, 3});
  const auto loss = contract_loss(trial.config, batch, logits, 2);
  EXPECT_NEAR(loss.sum, -std::log(0.75) - 2 * std::log(0.25), 1e-12);
  EXPECT_EQ(loss.count, 1);
}

}  // namespace
}  // namespace kablate
