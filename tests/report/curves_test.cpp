// Readings of validation curves, worked by hand.
#include "report/curves.h"

#include <gtest/gtest.h>

#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing_support::Experiment;
using testing_support::ladder;

TEST(Curve, IsStraightBetweenEvaluationsAndNowhereElse) {
  const Curve curve{{10, 4.0}, {20, 2.0}, {40, 1.0}};
  EXPECT_EQ(loss_at(curve, 10), 4.0);
  EXPECT_EQ(loss_at(curve, 15), 3.0);
  EXPECT_EQ(loss_at(curve, 20), 2.0);
  EXPECT_EQ(loss_at(curve, 35), 1.25);
  EXPECT_EQ(loss_at(curve, 40), 1.0);
  EXPECT_FALSE(loss_at(curve, 9.9) || loss_at(curve, 40.1) || loss_at({}, 1));
}

TEST(Curve, ReachesALossWhereItFirstIsDownToIt) {
  const Curve curve{{10, 4.0}, {20, 2.0}, {30, 3.0}, {40, 1.0}};
  EXPECT_EQ(first_reaching(curve, 3.0), 15);
  EXPECT_EQ(first_reaching(curve, 2.0), 20);
  EXPECT_EQ(first_reaching(curve, 1.5), 37.5);
  EXPECT_EQ(first_reaching(curve, 5.0), 10);
  EXPECT_FALSE(first_reaching(curve, 0.9));
}

TEST(MeanCurve, HasTheIterationsThatAllCurvesHave) {
  const auto mean = mean_curve({{{10, 4}, {20, 2}, {30, 1}}, {{10, 2}, {30, 3}}});
  ASSERT_EQ(mean.size(), 2u);
  EXPECT_EQ(mean[0].loss, 3);
  EXPECT_EQ(mean[1].iteration, 30);
  EXPECT_EQ(mean[1].loss, 2);
  EXPECT_TRUE(mean_curve({}).empty());
}

TEST(MeanCurve, EndsAtTheMeanOfTheFinalLosses) {
  // Three numbers whose sum, divided, and whose mean by differences from the first differ in the last bit.
  const std::vector<double> losses{2.1, 2.1, 2.4};
  std::vector<Curve> curves;
  for (const double loss : losses) curves.push_back({{10, loss}});
  ASSERT_NE((losses[0] + losses[1] + losses[2]) / 3, mean_sd(losses).mean) << "the example shows nothing";
  EXPECT_EQ(mean_curve(curves).back().loss, mean_sd(losses).mean);
}

// The baseline falls by 1 every 10 iterations from 5 at 10 to 2 at 40; the mean of both seeds does.
struct Curves : Experiment {
  explicit Curves(std::int64_t steps = 2) : Experiment(ladder(steps, {1, 2})) {
    for (const std::int64_t seed : {1, 2}) {
      const double shift = seed == 1 ? 0.25 : -0.25;
      curve(0, seed, {{10, 5 + shift}, {20, 4 + shift}, {30, 3 + shift}, {40, 2 + shift}});
    }
  }
  // Both seeds of step 1 draw this curve.
  void arm(const std::vector<std::pair<std::int64_t, double>>& points) {
    for (const std::int64_t seed : {1, 2}) curve(1, seed, points);
  }
  Worth worth() const { return report().rows[1].worth.value(); }
};

TEST(Worth, OfAHarmIsTheIterationsThatTheBaselineCouldHaveSaved) {
  Curves e;
  e.arm({{10, 6}, {20, 5}, {30, 4}, {40, 2.5}});
  EXPECT_EQ(e.worth().iterations, -5) << "the baseline was down to 2.5 at iteration 35 of 40";
  EXPECT_EQ(e.worth().text, "-5");
  EXPECT_FALSE(e.worth().reaches_baseline_at);
}

TEST(Worth, OfAGainLiesBeyondTheBaselinesEnd) {
  Curves e;
  e.arm({{10, 4}, {20, 3}, {30, 1.5}, {40, 1}});
  EXPECT_FALSE(e.worth().iterations);
  EXPECT_EQ(e.worth().text, "more than 0: the baseline ends above it");
  EXPECT_NEAR(e.worth().reaches_baseline_at.value(), 20 + 10 / 1.5, 1e-12);
}

TEST(Worth, OfNoDifferenceIsNothing) {
  Curves e;
  e.arm({{10, 4}, {20, 3}, {30, 2.75}, {40, 2}});
  EXPECT_EQ(e.worth().iterations, 0);
}

TEST(Worth, OfAGreatHarmLiesBeforeTheFirstEvaluation) {
  Curves e;
  e.arm({{10, 9}, {20, 8}, {30, 8}, {40, 7}});
  EXPECT_FALSE(e.worth().iterations);
  EXPECT_EQ(e.worth().text, "less than -30: the baseline is below it at its first evaluation");
}

TEST(EqualFlops, ReadsTheDearerSideWhereItCostWhatTheCheaperCostInAll) {
  Curves e;
  e.arm({{10, 4}, {20, 3}, {30, 1.5}, {40, 1}});
  auto plan = e.plan;
  plan.steps[1].flops_per_iteration = 2 * plan.steps[0].flops_per_iteration;
  auto reading = make_report(e.folder, plan).rows[1].equal_flops.value();
  EXPECT_TRUE(reading.treated_read && !reading.other_read);
  EXPECT_EQ(reading.iteration, 20);
  EXPECT_NEAR(reading.delta.mean, 3 - 2, 1e-12) << "the arm at 20 against the baseline's end";
  EXPECT_NEAR(reading.delta.sd.value(), 0.25 * std::sqrt(2.0), 1e-12) << "paired by seed";
  plan.steps[1].flops_per_iteration = 0.375 * plan.steps[0].flops_per_iteration;
  reading = make_report(e.folder, plan).rows[1].equal_flops.value();
  EXPECT_TRUE(reading.other_read && !reading.treated_read);
  EXPECT_EQ(reading.iteration, 15);
  EXPECT_NEAR(reading.delta.mean, 1 - 4.5, 1e-12) << "the arm's end against the baseline at 15";
}

TEST(EqualFlops, AtEqualCostIsThePlainDifference) {
  Curves e;
  e.arm({{10, 4}, {20, 3}, {30, 1.5}, {40, 1}});
  const auto row = e.report().rows[1];
  EXPECT_FALSE(row.equal_flops->treated_read || row.equal_flops->other_read);
  EXPECT_EQ(row.equal_flops->delta.mean, row.delta->mean);
}

TEST(EqualFlops, BeforeTheFirstEvaluationDoesNotExist) {
  Curves e;
  e.arm({{10, 4}, {40, 1}});
  auto plan = e.plan;
  plan.steps[1].flops_per_iteration = 5 * plan.steps[0].flops_per_iteration;
  EXPECT_FALSE(make_report(e.folder, plan).rows[1].equal_flops);
}

TEST(EqualTime, GoesByTheTimeOfTheTrialsThemselves) {
  Curves e;
  e.arm({{10, 4}, {20, 3}, {30, 1.5}, {40, 1}});
  e.change(1, 1, [](TrialSummary& s) { s.ms_per_iter = 6; });
  e.change(1, 2, [](TrialSummary& s) { s.ms_per_iter = 10; });  // 8 in the mean, against 5
  const auto row = e.report().rows[1];
  EXPECT_TRUE(row.equal_time->treated_read);
  EXPECT_EQ(row.equal_time->iteration, 25);
  EXPECT_NEAR(row.equal_time->delta.mean, 2.25 - 2, 1e-12);
  e.change(1, 2, [](TrialSummary& s) { s.ms_per_iter.reset(); });
  EXPECT_FALSE(e.report().rows[1].equal_time);
}

}  // namespace
}  // namespace kablate
