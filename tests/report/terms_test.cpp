// Trials that were not trained on the same terms, in a report and in `diff`.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/render.h"
#include "report/run_difference.h"
#include "support/core/report_experiment.h"

namespace kablate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing_support::Experiment;
using testing_support::ladder;
using testing_support::seeds;

// A baseline and an arm over 8 seeds that share what the seed brings; `key` has %s for the step's own line.
struct Arms : Experiment {
  Arms(const std::string& of_baseline, const std::string& of_arm, std::vector<std::string> about = {})
      : Experiment(plan_of(std::move(about))) {
    for (const auto seed : plan.seeds) {
      const double loss = 3 + 0.1 * static_cast<double>(seed), jitter = 0.001 * static_cast<double>(seed % 3);
      done(0, seed, loss), done(1, seed, loss - 0.01 + jitter);
      key(0, seed, of_baseline), key(1, seed, of_arm);
    }
  }
  static PlanRecord plan_of(std::vector<std::string> about) {
    auto plan = ladder(2, seeds(8));
    plan.about = std::move(about);
    return plan;
  }
};

constexpr const char* kBatch = "GPT2_BATCH_SIZE = 8\nGPT2_GRADIENT_ACCUMULATION = 1\n";
constexpr const char* kLargeBatch = "GPT2_BATCH_SIZE = 16\nGPT2_GRADIENT_ACCUMULATION = 1\n";

TEST(TermsOfTrials, ThatAreTheSameMakePairs) {
  const Arms e(kBatch, "GPT2_BATCH_SIZE = 4\nGPT2_GRADIENT_ACCUMULATION = 2\n");
  const auto row = e.report().rows[1];
  EXPECT_TRUE(row.delta->paired);
  EXPECT_EQ(row.terms, "");
  EXPECT_EQ(row.verdict->text, "better");
  EXPECT_THAT(render_terminal(e.report()), Not(HasSubstr("pairing")));
}

TEST(TermsOfTrials, OfOtherSamplesAreSaidAndNotPaired) {
  const Arms e(kBatch, kLargeBatch, {"GPT2_BATCH_SIZE"});
  const auto report = e.report();
  const auto& row = report.rows[1];
  std::vector<double> own, other;
  for (const auto& trial : report.trials)
    (trial.planned.step == 0 ? other : own).push_back(*trial.summary->val_loss);
  const auto expected = unpaired_difference(own, other);
  EXPECT_FALSE(row.delta->paired);
  EXPECT_EQ(row.delta->interval->low, expected.interval->low);
  EXPECT_FALSE(row.sign_flip || row.delta->correlation) << "they rest on pairs";
  EXPECT_THAT(row.verdict->text, HasSubstr("no difference larger than "));
  EXPECT_THAT(row.verdict->text, HasSubstr("(unpaired)"));
  EXPECT_EQ(row.terms, "GPT2_BATCH_SIZE 8 -> 16");
  EXPECT_FALSE(row.delta_previous->paired);
  EXPECT_FALSE(row.equal_flops && row.equal_flops->delta.paired);
  const auto text = render_terminal(report);
  EXPECT_THAT(text, HasSubstr("unpaired"));
  EXPECT_THAT(text,
              HasSubstr("Step 1 (arm1) was not trained on the baseline's terms: GPT2_BATCH_SIZE 8 -> 16."));
  EXPECT_THAT(render_markdown(report), HasSubstr("| unpaired | GPT2_BATCH_SIZE 8 -> 16 |"));
  EXPECT_THAT(render_csv(report), HasSubstr(",unpaired (Welch),GPT2_BATCH_SIZE 8 -> 16,"));
}

TEST(TermsOfTrials, OfTheScheduleArePairedWhereThePlanAsksAboutThem) {
  const std::string slow = "GPT2_LEARNING_RATE = 0.001\n", fast = "GPT2_LEARNING_RATE = 0.002\n";
  EXPECT_FALSE(Arms(slow, fast).report().rows[1].delta->paired);
  const Arms asked(slow, fast, {"GPT2_LEARNING_RATE"});
  const auto report = asked.report();
  EXPECT_TRUE(report.rows[1].delta->paired);
  EXPECT_EQ(report.rows[1].terms, "GPT2_LEARNING_RATE 0.001 -> 0.002");
  EXPECT_THAT(render_terminal(report), HasSubstr("same samples"));
  EXPECT_THAT(report.notes, Contains(HasSubstr("The plan asks about that")));
}

TEST(TermsOfTrials, NameASeedOfTheDataOnce) {
  Arms e("", "");
  for (const auto seed : e.plan.seeds) {
    e.key(0, seed, str("DATA_SEED = ", seed, "\n"));
    e.key(1, seed, "DATA_SEED = 2\n");
  }
  const auto row = e.report().rows[1];
  EXPECT_FALSE(row.delta->paired) << "although seed 2 has equal samples";
  EXPECT_EQ(row.terms, "DATA_SEED 1, 3, 4, 5, 6, 7, 8 -> 2");
}

TEST(TermsOfTrials, OfAnotherLossAreNotComparedAtAll) {
  const Arms e("GPT2_EVAL_SAMPLES = 8\n", "GPT2_EVAL_SAMPLES = 4\n");
  const auto report = e.report();
  EXPECT_FALSE(report.rows[1].delta || report.rows[1].verdict);
  EXPECT_THAT(report.notes,
              Contains("Step 1, seed 1 is not compared with the baseline: their losses are measured on other "
                       "tokens: GPT2_EVAL_SAMPLES 8 -> 4."));
}

// Rows of a log with these hashes of tokens, for a trial that is finished already.
void read_tokens(const Experiment& e, std::int64_t step, std::int64_t seed, const std::string& trained,
                 const std::string& evaluated) {
  {
    MetricsLog log(e.trial(step, seed), {});
    for (const std::int64_t iteration : {0, 10}) {
      TrainRow row{.iteration = iteration, .loss = 4};
      row.tokens = iteration == 0 ? "first" : trained;
      log.append(row);
    }
    EvaluationRow row{.iteration = 20, .train_loss = 3, .val_loss = 3};
    row.tokens = evaluated;
    log.append(row);
  }
  e.change(step, seed, [](TrialSummary&) {});
}

TEST(TokensOfTrials, ThatAreOthersThanPlannedWithholdEveryVerdict) {
  const Arms e(kBatch, kBatch);
  for (const auto seed : e.plan.seeds)
    for (const std::int64_t step : {0, 1}) read_tokens(e, step, seed, "samples", "windows");
  EXPECT_EQ(e.report().faults, std::vector<std::string>{});
  EXPECT_EQ(e.report().rows[1].verdict->text, "better");
  read_tokens(e, 1, 3, "other samples", "windows");
  auto report = e.report();
  EXPECT_EQ(report.faults,
            (std::vector<std::string>{
                "step 1 (arm1), seed 3, was trained on other samples by iteration 10 than step 0, "
                "although their configurations say the same"}));
  EXPECT_FALSE(report.rows[1].delta->paired);
  EXPECT_EQ(report.rows[1].verdict->text, "withheld");
  read_tokens(e, 1, 3, "samples", "easy windows");
  report = e.report();
  ASSERT_EQ(report.faults.size(), 1u);
  EXPECT_THAT(report.faults[0],
              HasSubstr("seed 3, was evaluated on other tokens at iteration 20 than step 0"));
}

TEST(TokensOfTrials, MayDifferWhereTheConfigurationsDo) {
  const Arms e(kBatch, kLargeBatch);
  for (const auto seed : e.plan.seeds) {
    read_tokens(e, 0, seed, "samples", "windows");
    read_tokens(e, 1, seed, "larger batches", "windows");
  }
  EXPECT_EQ(e.report().faults, std::vector<std::string>{});
}

TEST(PlanNotes, StandInTheReport) {
  auto plan = ladder(1, {1});
  plan.notes = {"every step: GPT2_WARMUP_STEPS = 5 is no shorter than GPT2_MAX_ITERS = 4"};
  const Experiment e(plan);
  EXPECT_EQ(read_plan(e.folder), plan);
  EXPECT_THAT(e.report().notes, Contains(plan.notes[0]));
}

std::vector<std::string> results_of(const Experiment& a, const Experiment& b) {
  for (const auto& section : experiment_differences(a.folder, b.folder))
    if (section.title == "results") return section.lines;
  return {};
}

TEST(DiffOfExperiments, HasTheDigitsThatTheNoiseAllows) {
  const Arms a("data = x\n", "data = x\n");
  Arms b("data = x\n", "data = x\n");
  for (const auto seed : b.plan.seeds) {
    b.done(1, seed, 2.5 + 0.1 * static_cast<double>(seed) + 0.012345 * static_cast<double>(seed % 2));
    b.key(1, seed, "data = x\n");
  }
  const auto lines = results_of(a, b);
  EXPECT_THAT(lines[0], HasSubstr("; equal over 8 common seeds"));
  // The standard error is .0024: four digits.
  EXPECT_THAT(lines[1],
              testing::ContainsRegex("difference -0\\.[0-9]{4} \\[-0\\.[0-9]{4}, -0\\.[0-9]{4}\\] over 8"));
}

TEST(DiffOfExperiments, SaysWhatLeavesATrialOut) {
  const Arms a("data = x\n", "data = x\n"), b("data = x\n", "data = x\n");
  for (const auto seed : b.plan.seeds) b.change(0, seed, [](TrialSummary& s) { s.arithmetic = "other"; });
  EXPECT_THAT(results_of(a, b)[0], HasSubstr("; seed 1 is not compared: their arithmetic differs"));
  b.change(1, 2, [](TrialSummary& s) { s.threads = 7; });
  EXPECT_THAT(results_of(a, b)[1], testing::AllOf(HasSubstr("over 7 common seeds"),
                                                  HasSubstr("seed 2 is not compared: 1 threads")));
  write_file(testing_support::folder_of(b.folder, b.plan, 1, 3).metrics(), "damaged");
  EXPECT_THAT(results_of(a, b)[1], HasSubstr("over 7 seeds (seed 3 damaged: "));
}

TEST(DiffOfExperiments, DoesNotPairWhatIsNotComparable) {
  const Arms a("data = x\n", "data = x\n");
  const Arms other_data("data = y\n", "data = y\n");
  EXPECT_THAT(results_of(a, other_data)[0],
              HasSubstr("; not comparable: their losses are measured on other tokens: data x -> y"));
  auto plan = a.plan;
  plan.steps[1].name = "gate";
  Experiment other_arm(plan);
  for (const auto seed : plan.seeds) other_arm.done(1, seed, 3);
  EXPECT_THAT(results_of(a, other_arm)[1], HasSubstr("; not comparable: it is arm1 in a and gate in b"));
  const Arms batch(std::string("data = x\n") + kLargeBatch, std::string("data = x\n") + kLargeBatch);
  const Arms plain(std::string("data = x\n") + kBatch, std::string("data = x\n") + kBatch);
  EXPECT_THAT(results_of(plain, batch)[1], HasSubstr("equal over 8 common seeds"));
  batch.change(1, 1, [](TrialSummary& s) { s.val_loss = 2; });
  EXPECT_THAT(results_of(plain, batch)[1], HasSubstr("unpaired (Welch): GPT2_BATCH_SIZE 8 -> 16"));
}

}  // namespace
}  // namespace kablate
