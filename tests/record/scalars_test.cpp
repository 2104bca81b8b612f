#include "record/scalars.h"

#include <gtest/gtest.h>

#include <cmath>

namespace kablate {
namespace {

TEST(ScalarRows, NameEveryNumberThatExists) {
  const std::vector<MetricsRow> rows{
      TrainRow{.iteration = 10,
               .loss = 2.5,
               .grad_norm = 0.5,
               .learning_rate = 1e-3,
               .clipped_elements = 4,
               .spikes = 2,
               .resets = 1,
               .terms = {{"unit_gate", 0.25}},
               .sparsity = 0.125,
               .ms = 100,
               .tokens_per_s = 640,
               .mfu = 0.5,
               .mfu_nanogpt = 0.375,
               .tokens_per_s_rank = 320,
               .communication_share = 0.0625},
      EvaluationRow{.iteration = 20,
                    .train_loss = 2.25,
                    .val_loss = 2,
                    .terms = {{"train_accuracy", 0.5}, {"val_accuracy", 0.75}}},
      MechanismRow{.iteration = 20, .block = 1, .values = {{"gate_mean", 0.5}, {"expert_load_0", 1}}}};
  const std::vector<ScalarRow> expected{
      {10,
       1.1,
       {{"loss/train", 2.5},
        {"unit_gate/train", 0.25},
        {"grad_norm", 0.5},
        {"learning_rate", 1e-3},
        {"sparsity", 0.125},
        {"optimizer/clipped_elements", 4},
        {"optimizer/spikes", 2},
        {"optimizer/resets", 1},
        {"speed/ms", 100},
        {"speed/tokens_per_s", 640},
        {"speed/mfu", 0.5},
        {"speed/mfu_nanogpt", 0.375},
        {"speed/tokens_per_s_rank", 320},
        {"speed/communication_share", 0.0625}}},
      {20,
       1.1,
       {{"loss/train_eval", 2.25}, {"loss/val", 2}, {"accuracy/train_eval", 0.5}, {"accuracy/val", 0.75}}},
      {20, 1.1, {{"expert_load_0/block1", 1}, {"gate_mean/block1", 0.5}}}};
  EXPECT_EQ(scalar_rows(rows), expected);
}

TEST(ScalarRows, LeaveOutWhatIsNoNumber) {
  const auto rows = scalar_rows({TrainRow{.loss = std::nan(""), .learning_rate = INFINITY},
                                 EvaluationRow{.iteration = 5, .val_loss = 2}});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].scalars.size(), 3U);  // the counts
  EXPECT_EQ(rows[1].scalars, (std::vector<Scalar>{{"loss/val", 2}}));
}

// `ms` is the mean of the iterations since the row before.
TEST(ScalarRows, AddUpTheTimeOfTraining) {
  const auto rows = scalar_rows({TrainRow{.iteration = 0, .ms = 1000}, TrainRow{.iteration = 10, .ms = 500},
                                 EvaluationRow{.iteration = 12}, TrainRow{.iteration = 20, .ms = 100},
                                 TrainRow{.iteration = 30}});
  std::vector<double> seconds;
  for (const auto& row : rows) seconds.push_back(row.seconds);
  EXPECT_EQ(seconds, (std::vector<double>{1, 6, 6, 7, 7}));
}

}  // namespace
}  // namespace kablate
