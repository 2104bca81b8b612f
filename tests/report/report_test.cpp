#include "report/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/key.h"
#include "support/configure.h"
#include "support/core/report_experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing_support::Experiment;
using testing_support::finish;
using testing_support::folder_of;
using testing_support::ladder;
using testing_support::small_config;

TEST(Report, PairsStepsWithTheBaselineBySeed) {
  Experiment e(ladder(2, {1, 2, 3}));
  const double baseline[] = {3.0, 3.2, 3.1}, treated[] = {2.9, 3.0, 3.0};
  for (int i = 0; i < 3; ++i) e.done(0, i + 1, baseline[i]), e.done(1, i + 1, treated[i]);
  const auto report = e.report();
  ASSERT_EQ(report.rows.size(), 2u);
  const auto &first = report.rows[0], &second = report.rows[1];
  EXPECT_FALSE(first.delta) << "the baseline is not compared with itself";
  EXPECT_FALSE(first.delta_percent);
  EXPECT_EQ(first.seeds, 3u);
  EXPECT_EQ(first.status, "done");
  EXPECT_NEAR(first.mean(0)->mean, 3.1, 1e-12);
  EXPECT_NEAR(first.mean(0)->sd.value(), 0.1, 1e-12);
  ASSERT_TRUE(second.delta);
  EXPECT_NEAR(second.delta->mean, -0.4 / 3, 1e-12);
  EXPECT_NEAR(second.delta_percent.value(), 100 * -0.4 / 3 / 3.1, 1e-10);
  const auto expected = paired_difference(treated, baseline);
  EXPECT_EQ(second.delta->interval->low, expected.interval->low);
  EXPECT_LT(second.delta->interval->low, second.delta->mean);
  EXPECT_EQ(second.parameters, e.plan.steps[1].parameters);
  EXPECT_EQ(second.peak_tensor_bytes, 1 << 20);
  EXPECT_EQ(second.pids, "1011 1012 1013");
}

TEST(Report, GivesThePublishedLossesTheirTruePercentages) {
  Experiment e(ladder(4, {1}));
  const double losses[] = {9.5776, 9.5359, 9.5572, 9.5161}, percent[] = {0, -0.435, -0.213, -0.642};
  for (int step = 0; step < 4; ++step) e.done(step, 1, losses[step]);
  const auto report = e.report();
  for (int step = 1; step < 4; ++step)
    EXPECT_NEAR(report.rows[step].delta_percent.value(), percent[step], 5e-4);
}

TEST(Report, PairsOnlySeedsThatBothHaveFinished) {
  Experiment e(ladder(2, {1, 2, 3}));
  e.done(0, 1, 3.0), e.done(0, 2, 9.0);
  e.done(1, 1, 2.5), e.done(1, 3, 1.0);
  const auto row = e.report().rows[1];
  EXPECT_EQ(row.seeds, 2u);
  EXPECT_EQ(row.status, "partial (2 of 3): 1 missing");
  EXPECT_EQ(row.delta->n, 1u);
  EXPECT_EQ(row.delta->mean, -0.5);
  EXPECT_FALSE(row.delta->interval);
  EXPECT_NEAR(row.delta_percent.value(), 100 * -0.5 / 3.0, 1e-12) << "of the baseline over the same seeds";
}

TEST(Report, HasNoNumbersWhereNothingWasTrained) {
  Experiment e(ladder(2, {1}));
  const auto row = e.report().rows[1];
  EXPECT_EQ(row.status, "missing");
  EXPECT_FALSE(row.mean(0) || row.delta || row.delta_percent || row.ms_per_iter || row.peak_tensor_bytes ||
               row.beside);
  EXPECT_TRUE(row.parameters) << "what follows from the configuration is there";
}

TEST(Report, SaysWhyAStepHasNoNumbers) {
  auto plan = ladder(3, {1, 2});
  plan.steps[1].blocked = "sees the future";
  Experiment e(plan);
  e.done(0, 1, 3), e.done(0, 2, 3);
  for (const auto seed : {1, 2}) {
    const auto trial = folder_of(e.folder, e.plan, 2, seed);
    write_trial_start(trial, small_config(), "", {});
    write_failure(
        trial,
        {.status = "diverged", .reason = "loss is nan", .exit_code = {}, .signal = {}, .log_tail = ""});
  }
  const auto report = e.report();
  EXPECT_EQ(report.rows[1].status, "blocked: sees the future");
  EXPECT_EQ(report.rows[2].status, "diverged");
}

TEST(Report, RefusesToPairTrialsOfDifferentThreads) {
  Experiment e(ladder(2, {1, 2}));
  for (const auto seed : {1, 2}) e.done(0, seed, 3), e.done(1, seed, 2);
  e.change(1, 2, [](TrialSummary& s) { s.threads = 2, s.val_loss = 1; });
  const auto report = e.report();
  EXPECT_EQ(report.rows[1].delta->n, 1u);
  EXPECT_EQ(report.rows[1].delta->mean, -1);
  EXPECT_THAT(report.notes,
              Contains(HasSubstr("Step 1, seed 2 is not compared with the baseline: 2 threads")));
}

TEST(Report, NamesManyTrialsOfOneKindTogether) {
  std::vector<std::int64_t> seeds;
  for (std::int64_t seed = 1; seed <= 20; ++seed) seeds.push_back(seed);
  Experiment e(ladder(2, seeds));
  for (const auto seed : seeds) {
    e.done(0, seed, 3), e.done(1, seed, 2);
    if (seed > 2) e.change(1, seed, [](TrialSummary& s) { s.threads = 2; });
    e.change(0, seed, [&](TrialSummary& s) { s.cpu_share = 0.01 * static_cast<double>(30 + seed); });
  }
  const auto report = e.report();
  EXPECT_THAT(report.notes,
              Contains(HasSubstr("Step 1, seeds 3-20 are not compared with the baseline: 2 threads")));
  EXPECT_EQ(report.rows[0].time_load,
            "20 of 20 seeds, the worst of which: seed 1 had its core for 31 % of the time");
}

TEST(Report, NamesManyStepsOfOneKindTogether) {
  Experiment e(ladder(18, {1}));
  for (std::int64_t step = 0; step < 18; ++step) {
    e.done(step, 1, 3);
    e.change(step, 1, [&](TrialSummary& s) { s.cpu_share = 0.5; });
  }
  EXPECT_THAT(e.report().notes, Contains(HasSubstr("* Steps 0-17 were timed under other load: `cpu_share`")));
}

TEST(Report, RefusesToPairTrialsOfDifferentArithmetic) {
  Experiment e(ladder(2, {1, 2, 3}));
  for (const auto seed : {1, 2, 3}) {
    e.done(0, seed, 3), e.done(1, seed, 2);
    for (const auto step : {0, 1})
      e.change(step, seed, [&](TrialSummary& s) { s.arithmetic = seed == 3 ? "a+b" : "a"; });
  }
  e.change(1, 2, [](TrialSummary& s) { s.arithmetic = "b", s.val_loss = 1, s.host = "there"; });
  const auto report = e.report();
  EXPECT_EQ(report.rows[1].delta->n, 1u);
  EXPECT_EQ(report.rows[1].delta->mean, -1);
  EXPECT_THAT(report.notes, Contains(HasSubstr("Step 1, seed 2 is not compared with the baseline: their "
                                               "arithmetic differs (processor, libraries or the variables "
                                               "that these read), on there and on here")));
  EXPECT_THAT(report.notes, Contains(HasSubstr("Step 1, seed 3 is not compared with the baseline: one of "
                                               "them went on with another arithmetic")));
}

TEST(Report, SaysThatTheBaselineIsNotSelected) {
  auto plan = ladder(3, {1});
  plan.steps.erase(plan.steps.begin());
  std::erase_if(plan.trials, [](const PlannedTrial& trial) { return trial.step == 0; });
  Experiment e(plan);
  e.done(1, 1, 3), e.done(2, 1, 2);
  const auto report = e.report();
  ASSERT_EQ(report.rows.size(), 2u) << "steps that are not selected have no row";
  EXPECT_FALSE(report.rows[0].delta || report.rows[1].delta);
  EXPECT_THAT(report.notes, Contains(HasSubstr("baseline, step 0, is not among the selected steps")));
}

TEST(Report, SaysThatAnArmIsNotCausal) {
  auto plan = ladder(2, {1});
  EXPECT_THAT(Experiment(plan).report().notes, Not(Contains(HasSubstr("NOT CAUSAL"))));
  plan.steps[1].noncausal = true;
  EXPECT_THAT(Experiment(plan).report().notes, Contains(HasSubstr("Step 1 (arm1) is NOT CAUSAL")));
}

TEST(Report, SaysThatALossIsOfMaskedTokens) {
  const auto notes = [](const Deltas& deltas) {
    Experiment e(ladder(1, {1}));
    e.done(0, 1, 3);
    e.key(0, 1, key_text(configure(deltas), 0, 0, 1, KeyContext{}));
    return e.report().notes;
  };
  const Deltas masked{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}};
  EXPECT_THAT(notes({}), Not(Contains(HasSubstr("masked"))));
  EXPECT_THAT(notes(masked + Deltas{{"MASK_RATE", "0.4"}}),
              Contains(HasSubstr("of masked tokens alone (MASK_SCHEDULE = fixed, MASK_RATE = 0.4)")));
  EXPECT_THAT(notes(masked + Deltas{{"MASK_SCHEDULE", "uniform"}}),
              Contains(HasSubstr("of masked tokens alone (MASK_SCHEDULE = uniform)")));
}

TEST(Report, SaysHowFarItsSeedsCarry) {
  const auto notes = [](std::int64_t seeds) {
    std::vector<std::int64_t> list;
    for (std::int64_t i = 1; i <= seeds; ++i) list.push_back(i);
    return Experiment(ladder(1, list)).report().notes;
  };
  EXPECT_THAT(notes(1), Contains(HasSubstr("One seed shows no spread")));
  EXPECT_THAT(notes(3), Contains(HasSubstr("screen")));
  EXPECT_THAT(notes(8), Not(Contains(HasSubstr("screen"))));
}

TEST(Report, CountsOtherTrialsThreadsAndNeighbours) {
  Experiment e(ladder(1, {1}));
  e.done(0, 1, 3);
  finish(e.folder.trial(TrialName{0, "arm0", 1, "ffffffffffff"}), 0, 1, 3);
  const auto notes = e.report().notes;
  EXPECT_THAT(notes, Contains(HasSubstr("1 other trial folder(s)")));
  EXPECT_THAT(notes, Contains(HasSubstr("ran on 1 thread(s), cpu float32, with up to 1 other trial(s)")));
}

}  // namespace
}  // namespace kablate
