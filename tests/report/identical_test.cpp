// Reruns and dead twins against what they must equal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/render.h"
#include "support/core/report_experiment.h"
#include "support/core/tensor_file.h"

namespace kablate {
namespace {

using testing::HasSubstr;
using testing_support::Experiment;
using testing_support::ladder;
using testing_support::rows_of;
using testing_support::safetensors_of;

TEST(Rerun, EqualsItsTargetOnlyBitForBit) {
  Experiment e(ladder(4, {1, 2}, 1));  // step 3 reruns step 1
  for (const auto seed : {1, 2}) e.done(1, seed, 3.0 + seed), e.done(3, seed, 3.0 + seed);
  EXPECT_EQ(e.report().rows[3].identical_to, "1") << "times differ, and that is allowed";
  EXPECT_EQ(e.report().rows[1].identical_to, "");
  e.done(3, 2, 5.0000000000000009);
  EXPECT_EQ(e.report().rows[3].identical_to, "no: seed 2, iteration 10");
  e.done(3, 2, 5.0);
  write_file(e.trial(3, 1).weights(), "other");
  e.change(3, 1, [](TrialSummary&) {});
  EXPECT_EQ(e.report().rows[3].identical_to, "no: seed 1, weights");
}

TEST(Rerun, OnAnotherProcessorIsNoTest) {
  Experiment e(ladder(4, {1}, 1));
  e.done(1, 1, 3), e.done(3, 1, 3);
  e.change(3, 1, [](TrialSummary& s) { s.arithmetic = "other"; });
  EXPECT_EQ(e.report().rows[3].identical_to, "1") << "equal bits are equal wherever they were made";
  write_file(e.trial(3, 1).weights(), "other");
  e.change(3, 1, [](TrialSummary&) {});
  EXPECT_THAT(e.report().rows[3].identical_to, HasSubstr("unknown: seed 1, weights; but their arithmetic"));
}

TEST(Rerun, WithMoreOrFewerRowsIsNotEqual) {
  Experiment e(ladder(4, {1}, 1));
  e.done(1, 1, 3), e.done(3, 1, 3);
  e.add_row(3, 1, TrainRow{.iteration = 30, .loss = 1});
  EXPECT_EQ(e.report().rows[3].identical_to, "no: seed 1, iteration 30");
  e.log(3, 1, {rows_of(e.trial(3, 1))[0]});
  EXPECT_EQ(e.report().rows[3].identical_to, "no: seed 1, iteration 20");
}

TEST(Rerun, WithoutRowsIsNotEqual) {
  Experiment e(ladder(4, {1}, 1));
  e.done(1, 1, 3), e.done(3, 1, 3);
  for (const auto step : {1, 3}) e.log(step, 1, {});
  EXPECT_EQ(e.report().rows[3].identical_to, "no: seed 1, no loss log");
}

TEST(Rerun, ThatIsEqualHasItsTargetsFinalLossesToo) {
  Experiment e(ladder(4, {1}, 1));
  e.done(1, 1, 3), e.done(3, 1, 3);
  e.change(3, 1, [](TrialSummary& s) { s.val_loss = 2.5; });  // the best one, say, for the last
  EXPECT_EQ(e.report().rows[3].identical_to, "no: seed 1, the final losses of the summaries");
}

TEST(Rerun, OnOtherThreadsSaysNothing) {
  Experiment e(ladder(4, {1}, 1));
  e.done(1, 1, 3), e.done(3, 1, 3.1);
  e.change(3, 1, [](TrialSummary& s) { s.threads = 2; });
  EXPECT_EQ(e.report().rows[3].identical_to,
            "unknown: seed 1, iteration 10; but 2 threads on cpu against 1 on cpu");
  EXPECT_THAT(e.report().faults, testing::IsEmpty());
}

TEST(Rerun, OfWhatWasNotRunSaysSo) {
  auto plan = ladder(4, {1, 2}, 1);
  {
    Experiment e(plan);
    e.done(1, 1, 3), e.done(3, 1, 3), e.done(3, 2, 3);
    EXPECT_EQ(e.report().rows[3].identical_to, "unknown: seed 2 not finished");
  }
  plan.steps.erase(plan.steps.begin() + 1);
  std::erase_if(plan.trials, [](const PlannedTrial& trial) { return trial.step == 1; });
  Experiment e(plan);
  e.done(3, 1, 3);
  EXPECT_EQ(e.report().rows[2].identical_to, "step 1 was not run");
}

using Weights = std::map<std::string, std::vector<float>>;

// A baseline (step 0) and its dead twin (step 2, of arm 1), both finished with equal losses and weights, the
// twin with a parameter more.
struct Twins : Experiment {
  Twins() : Experiment(plan_of()) {
    for (const std::int64_t step : {0, 2}) done(step, 1, 3.0);
    write_weights(0, {{"h.0.w", {1, 2}}, {"wte", {0.0F}}});
    write_weights(2, {{"h.0.gate", {5}}, {"h.0.w", {1, 2}}, {"wte", {0.0F}}});
  }
  static PlanRecord plan_of() {
    auto plan = ladder(3, {1});
    plan.steps[2].control = "dead_twin", plan.steps[2].control_of = 1;
    return plan;
  }
  void write_weights(std::int64_t step, const Weights& weights) {
    write_file(trial(step, 1).weights(), safetensors_of(weights));
    change(step, 1, [](TrialSummary&) {});
  }
  std::string twin() const { return report().rows[2].identical_to; }
};

TEST(DeadTwin, EqualsTheBaselineInEveryWeightThatItHas) {
  Twins e;
  EXPECT_EQ(e.twin(), "0") << "its own parameter and its checksums are another matter";
  e.write_weights(2, {{"h.0.gate", {5}}, {"h.0.w", {1, 2}}, {"wte", {-0.0F}}});
  EXPECT_EQ(e.twin(), "no: seed 1, tensor wte");
  e.write_weights(2, {{"h.0.gate", {5}}, {"wte", {0.0F}}});
  EXPECT_EQ(e.twin(), "no: seed 1, tensor h.0.w");
}

TEST(DeadTwin, EqualsTheBaselineInEveryLoss) {
  Twins e;
  const TrainRow train{.iteration = 10, .loss = 4.0, .grad_norm = 7};
  const EvaluationRow evaluation{.iteration = 20, .train_loss = 2.9, .val_loss = 3.0};
  e.log(2, 1, {train, MechanismRow{20, 0, {{"gate_mean", 0.5}}}, evaluation});
  EXPECT_EQ(e.twin(), "0") << "what its mechanisms did has no counterpart";
  e.log(2, 1, {train, EvaluationRow{.iteration = 20, .train_loss = 2.9, .val_loss = 3.0000000000000004}});
  EXPECT_EQ(e.twin(), "no: seed 1, iteration 20");
  e.log(2, 1, {TrainRow{.iteration = 10, .loss = 4.5}, evaluation});
  EXPECT_EQ(e.twin(), "no: seed 1, iteration 10");
}

TEST(Faults, OfATwinOrARerunWithholdEveryVerdict) {
  auto plan = ladder(4, testing_support::seeds(8), 1);  // step 3 reruns step 1
  plan.steps[2].control = "dead_twin", plan.steps[2].control_of = 1;
  Experiment e(plan);
  for (const auto seed : plan.seeds) {
    const double loss = 3 + 0.01 * static_cast<double>(seed);
    for (const std::int64_t step : {0, 2}) {
      e.done(step, seed, loss);
      write_file(e.trial(step, seed).weights(), safetensors_of(Weights{{"wte", {0.0F}}}));
    }
    for (const std::int64_t step : {1, 3}) e.done(step, seed, loss - 0.1);
  }
  const auto sound = e.report();
  EXPECT_THAT(sound.faults, testing::IsEmpty());
  EXPECT_EQ(sound.rows[1].verdict->text, "better");
  for (const auto end : {sound.rows[2].delta->interval->low, sound.rows[2].delta->interval->high})
    EXPECT_EQ(end, 0) << "what is called equal";
  EXPECT_THAT(render_csv(sound), testing::Not(HasSubstr("withheld,")));

  e.done(3, 2, 3.5);
  auto broken = e.report();
  ASSERT_EQ(broken.faults.size(), 1u);
  EXPECT_THAT(broken.faults[0],
              HasSubstr("step 3 (arm1) must equal step 1 bit for bit and does not (seed 2, "));
  EXPECT_EQ(broken.rows[1].verdict->text, "withheld");
  EXPECT_FALSE(broken.rows[1].verdict->holm);
  for (const auto& text : {render_terminal(broken), render_markdown(broken)})
    EXPECT_LT(text.find("NO VERDICT OF THIS TABLE CAN BE BELIEVED: step 3"), text.find("val loss"))
        << "on top";
  EXPECT_THAT(render_csv(broken), HasSubstr(",withheld,"));
  EXPECT_THAT(render_csv(broken), HasSubstr("does not (seed 2, iteration 10)"));

  e.done(3, 2, 2.92), e.done(2, 1, 3.2);
  broken = e.report();
  ASSERT_EQ(broken.faults.size(), 1u);
  EXPECT_THAT(broken.faults[0], HasSubstr("step 2 (arm2) must equal step 0"));
}

TEST(DeadTwin, WithoutItsFilesIsUnknown) {
  Twins e;
  std::filesystem::remove(e.trial(2, 1).weights());
  EXPECT_THAT(e.twin(), HasSubstr("unknown: seed 1, "));
  EXPECT_THAT(e.twin(), HasSubstr("weights.safetensors: is missing"));
  std::filesystem::remove(e.trial(2, 1).done());
  EXPECT_EQ(e.twin(), "unknown: seed 1 not finished");
}

}  // namespace
}  // namespace kablate
