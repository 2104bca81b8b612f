// Accuracy in the table: columns only where data have labels, and verdicts of its own, more being better.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/render.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::Experiment;

// Losses all alike but for a little; arm 1 is right more often, arm 2 less often, arm 3 as often.
void finish_labelled(const Experiment& e) {
  constexpr double kGain[] = {0, 0.2, -0.2, 0};
  for (const auto seed : e.plan.seeds)
    for (std::int64_t step = 0; step < 4; ++step) {
      const double wobble = 0.01 * static_cast<double>((seed * 7 + step * 3) % 5);
      e.done(step, seed, 2 + wobble);
      e.change(step, seed, [&](TrialSummary& s) {
        s.val_accuracy = 0.6 + kGain[step] + wobble;
        s.val_macro_accuracy = 0.5 + wobble, s.train_accuracy = 0.9;
      });
    }
}

TEST(Accuracy, IsJudgedInAFamilyOfItsOwn) {
  const Experiment e(testing_support::ladder(4, testing_support::seeds(10)));
  finish_labelled(e);
  const auto report = e.report();
  EXPECT_FALSE(report.rows[0].verdicts[2]);
  EXPECT_EQ(report.rows[1].verdicts[2]->kind, VerdictKind::kBetter) << "more is better";
  EXPECT_EQ(report.rows[2].verdicts[2]->kind, VerdictKind::kWorse);
  EXPECT_EQ(report.rows[3].verdicts[2]->kind, VerdictKind::kNoDifference);
  EXPECT_EQ(report.rows[1].verdict->kind, VerdictKind::kNoDifference) << "the loss's";
  EXPECT_NEAR(report.rows[1].changes[2]->mean, 0.2, 0.02);
  EXPECT_FALSE(report.rows[1].changes[4]) << "that of training is not compared";
  const auto p = [&](std::size_t row) { return *report.rows[row].changes[2]->p; };
  const std::size_t least = p(1) < p(2) ? 1 : 2;
  EXPECT_EQ(report.rows[least].verdicts[2]->holm->adjusted_p, 3 * p(least)) << "the least of three";
}

TEST(Accuracy, StandsBesideTheLoss) {
  const Experiment e(testing_support::ladder(4, testing_support::seeds(8)));
  finish_labelled(e);
  const auto report = e.report();
  const auto terminal = render_terminal(report, 0), markdown = render_markdown(report),
             csv = render_csv(report);
  for (const auto* column : {"accuracy", "accuracy 95 % interval", "accuracy verdict", "macro accuracy"})
    EXPECT_THAT(terminal, HasSubstr(column));
  for (const auto* column : {"| accuracy change |", "| accuracy verdict |", "| train accuracy |"})
    EXPECT_THAT(markdown, HasSubstr(column));
  for (const auto* column : {"val_accuracy_mean", "val_accuracy_delta", "val_accuracy_verdict",
                             "val_macro_accuracy_sd", "train_accuracy_mean"})
    EXPECT_THAT(csv, HasSubstr(column));
  EXPECT_THAT(markdown, HasSubstr("Changes of accuracy and macro accuracy are judged"));
}

TEST(Accuracy, IsNoColumnOfOtherData) {
  const Experiment e(testing_support::ladder(2, {1, 2}));
  for (const std::int64_t seed : {1, 2})
    for (const std::int64_t step : {0, 1}) e.done(step, seed, 2);
  const auto report = e.report();
  for (const auto& text : {render_terminal(report, 0), render_markdown(report), render_csv(report)})
    EXPECT_THAT(text, Not(HasSubstr("accuracy")));
}

// Who is always right has no spread, and a difference of 0 is no verdict's business but that.
TEST(Accuracy, OfAlwaysRightArmsIsNoDifference) {
  const auto seeds = testing_support::seeds(8);
  const Experiment e(testing_support::ladder(2, seeds));
  for (const auto seed : seeds)
    for (const std::int64_t step : {0, 1}) {
      e.done(step, seed, 2 + 0.01 * static_cast<double>(seed * (1 + step)));
      e.change(step, seed, [](TrialSummary& s) { s.val_accuracy = 1; });
    }
  const auto report = e.report();
  EXPECT_EQ(report.rows[1].changes[2]->mean, 0);
  EXPECT_TRUE(!report.rows[1].verdicts[2] || report.rows[1].verdicts[2]->kind == VerdictKind::kNoDifference);
}

}  // namespace
}  // namespace kablate
