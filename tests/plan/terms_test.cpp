// On which terms steps stand beside each other, and which plans are refused for it.
#include "plan/terms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "plan/plan.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::expect_error;
using Assignments = std::vector<std::string>;

constexpr const char* kOff = "RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n";

Settings settings(const Assignments& assignments = {}) {
  auto result = Settings::defaults();
  result.set_assignment("GPT2_N_LAYER=2", "test");
  for (const auto& assignment : assignments) result.set_assignment(assignment, "--set");
  return result;
}

// A plan of two lines or more from line 3 on: "  0: {set: {}}".
Plan plan_of(const std::string& lines, Assignments assignments = {}) {
  const TemporaryFolder folder;
  folder.write("p.yaml", "name: p\nbaseline: 0\n" + lines);
  assignments.push_back("ABLATION_PLAN=p");
  return make_plan(settings(assignments), folder.path());
}

// Step 0 without mechanisms and step 1 with `set` on top of that.
Plan step_with(const std::string& set, const Assignments& assignments = {}) {
  return plan_of(str("steps:\n  0: {set: {", kOff, "}}\n  1: {set: {", kOff, ", ", set, "}}\n"), assignments);
}

std::vector<std::string> names(const Plan& plan) {
  std::vector<std::string> result;
  for (const auto& step : plan.steps) result.push_back(step.name);
  return result;
}

TrainedValues values(const Assignments& assignments) { return trained_values(settings(assignments).bind()); }

TEST(Terms, OfOneBatchCutOtherwiseAreTheSame) {
  const auto own = values({"GPT2_BATCH_SIZE=8", "GPT2_GRADIENT_ACCUMULATION=2"});
  EXPECT_THAT(term_differences(own, values({"GPT2_BATCH_SIZE=16", "GPT2_GRADIENT_ACCUMULATION=1"})),
              IsEmpty());
  const auto other = term_differences(own, values({"GPT2_BATCH_SIZE=16", "GPT2_GRADIENT_ACCUMULATION=2"}));
  ASSERT_EQ(other.size(), 1u);
  EXPECT_EQ(other[0].kind, TermKind::kSamples);
  EXPECT_EQ(text_of(other), "GPT2_BATCH_SIZE 16 -> 8");
}

TEST(Terms, AreThoseOfMeasureSamplesAndSchedule) {
  struct Case {
    const char* assignment;
    TermKind kind;
  };
  for (const auto& [assignment, kind] :
       {Case{"DATASET=text", TermKind::kMeasured}, Case{"GPT2_BLOCK_SIZE=512", TermKind::kMeasured},
        Case{"GPT2_EVAL_SAMPLES=7", TermKind::kMeasured}, Case{"DATA_SEED=5", TermKind::kSamples},
        Case{"GPT2_MAX_ITERS=9999", TermKind::kSchedule},
        Case{"GPT2_LEARNING_RATE=1e-3", TermKind::kSchedule}, Case{"GPT2_MIN_LR=1e-5", TermKind::kSchedule},
        Case{"GPT2_DECAY_LR=n", TermKind::kSchedule}, Case{"GPT2_WARMUP_STEPS=1", TermKind::kSchedule}}) {
    const auto terms = term_differences(values({assignment}), values({}));
    ASSERT_EQ(terms.size(), 1u) << assignment;
    EXPECT_EQ(terms[0].kind, kind) << assignment;
    EXPECT_EQ(are_paired(terms, {terms[0].symbol}), kind == TermKind::kSchedule)
        << assignment << ": what the plan asks about can be paired, but only over the same samples";
    EXPECT_FALSE(are_paired(terms, {}));
  }
  // Of made data all that the test set hangs on is measured; the training set's size is not.
  for (const auto& [dataset, assignment, kind] :
       {std::tuple{"DATASET=mqar", "MQAR_PAIRS=8", TermKind::kMeasured},
        std::tuple{"DATASET=mqar", "SYNTHETIC_VOCAB_SIZE=64", TermKind::kMeasured},
        std::tuple{"DATASET=mqar", "SYNTHETIC_TEST=64", TermKind::kMeasured},
        std::tuple{"DATASET=noisy_recall", "SYNTHETIC_NOISE=0.5", TermKind::kMeasured},
        std::tuple{"DATASET=noisy_recall", "SYNTHETIC_NOISE_VOCAB_SIZE=8", TermKind::kMeasured},
        std::tuple{"DATASET=selective_copy", "SYNTHETIC_COPY=8", TermKind::kMeasured},
        std::tuple{"DATASET=fuzzy_recall", "SYNTHETIC_MOTIF=2", TermKind::kMeasured},
        std::tuple{"DATASET=mqar", "SYNTHETIC_TRAIN=64", TermKind::kSamples}}) {
    const auto terms = term_differences(values({dataset, assignment}), values({dataset}));
    ASSERT_EQ(terms.size(), 1u) << assignment;
    EXPECT_EQ(terms[0].kind, kind) << assignment;
  }
  EXPECT_THAT(term_differences(values({"GPT2_DROPOUT=0.2", "GPT2_VOCAB_SIZE=60000"}), values({})), IsEmpty());
}

// A loss of masked tokens is none of next ones, nor one of another share of them.
TEST(Terms, OfTwoKeysAreThoseOfTheirValues) {
  const std::string own =
                        "kablate trial 1\nGPT2_BATCH_SIZE = 8\nGPT2_MIN_LR = 1\nGPT2_N_LAYER = 2\ndata = a\n",
                    other = "GPT2_BATCH_SIZE = 4\nGPT2_GRADIENT_ACCUMULATION = 2\nGPT2_N_LAYER = 3\ndata = b";
  const auto terms = term_differences(own, other);
  EXPECT_EQ(text_of(terms), text_of(term_differences(key_values(own), key_values(other))));
  EXPECT_EQ(text_of(terms), "data b -> a, GPT2_BATCH_SIZE 4 -> 8, GPT2_GRADIENT_ACCUMULATION 2 -> not read");
}

TEST(Terms, OfObjectivesAreWhatIsMeasured) {
  const Assignments masked{"OBJECTIVE=masked_token", "ATTENTION_DIRECTION=bidirectional"};
  const auto with = [&](const char* more) {
    Assignments all = masked;
    all.push_back(more);
    return values(all);
  };
  for (const auto& other : {values({}), with("MASK_RATE=0.3"), with("MASK_SCHEDULE=uniform")}) {
    const auto differences = term_differences(values(masked), other);
    EXPECT_TRUE(has_kind(differences, TermKind::kMeasured)) << text_of(differences);
    EXPECT_FALSE(are_paired(differences, {"OBJECTIVE", "MASK_RATE", "MASK_SCHEDULE"}));
  }
  EXPECT_THAT(term_differences(values(masked), with("CRITIC=y")), IsEmpty());
}

TEST(Terms, OfATableMeasureOneLoss) {
  expect_error([] { step_with("GPT2_EVAL_SAMPLES: 4"); },
               {"p.yaml:5", "step 1 (mla", "GPT2_EVAL_SAMPLES = 4, and 200 in step 0 (mla)", "other tokens"});
  expect_error([] { step_with("GPT2_BLOCK_SIZE: 512"); }, {"step 1", "GPT2_BLOCK_SIZE = 512, and 1024"});
  expect_error([] { step_with("OBJECTIVE: masked_token, ATTENTION_DIRECTION: bidirectional"); },
               {"step 1", "OBJECTIVE = masked_token, and next_token in step 0"});
  expect_error([] { plan_of("grid: {GPT2_EVAL_SAMPLES: [8, 16]}\n"); }, {"step 1", "GPT2_EVAL_SAMPLES = 16"});
  EXPECT_EQ(step_with("GPT2_EVAL_SAMPLES: 4", {"RA_MLA_ABLATION_STEPS=1"}).steps.size(), 1u)
      << "alone it is compared with nothing";
}

TEST(Terms, ThatThePlanAsksAboutAreTheGridsAndThoseOfAStepOfTheirOwn) {
  EXPECT_THAT(plan_of("grid: {GPT2_LEARNING_RATE: [1e-3, 2e-3], GPT2_DROPOUT: [0, 0.1]}\n").about,
              ElementsAre("GPT2_DROPOUT", "GPT2_LEARNING_RATE"));
  EXPECT_THAT(step_with("GPT2_LEARNING_RATE: 2e-3, GPT2_WARMUP_STEPS: 5").about,
              ElementsAre("GPT2_LEARNING_RATE", "GPT2_WARMUP_STEPS"));
  EXPECT_THAT(step_with("GPT2_LEARNING_RATE: 2e-3, GPT2_DROPOUT: 0.2").about, IsEmpty()) << "a confound";
  EXPECT_THAT(step_with("GPT2_BATCH_SIZE: 3").about, IsEmpty()) << "other samples are never paired";
}

TEST(Terms, AreSaidOfThePlan) {
  EXPECT_THAT(terms_notes(step_with("GPT2_DROPOUT: 0.2")), IsEmpty());
  const auto confound = terms_notes(step_with("GPT2_LEARNING_RATE: 2e-3, GPT2_DROPOUT: 0.2"));
  ASSERT_EQ(confound.size(), 1u);
  EXPECT_THAT(confound[0], HasSubstr("step 1 (mla GPT2_DROPOUT=0.2 GPT2_LEARNING_RATE=0.002)"));
  EXPECT_THAT(confound[0], HasSubstr("GPT2_LEARNING_RATE 6e-04 -> 0.002; its difference is not paired"));
  EXPECT_THAT(terms_notes(step_with("GPT2_LEARNING_RATE: 2e-3")).at(0), HasSubstr("asks about that"));
}

// A stair that changes the schedule alone is paired with the step before, whatever stood before that.
TEST(Terms, OfAStairAreToTheStepBefore) {
  const auto plan = plan_of(str("path:\n  - {", kOff, "}\n  - {RA_MLA_MLP_ATTN_GATE: y}\n",
                                "  - {GPT2_LEARNING_RATE: 2e-3}\n  - {RA_MLA_MLP_CROSS_TOKEN: y}\n"));
  EXPECT_THAT(plan.about, ElementsAre("GPT2_LEARNING_RATE"));
  const auto notes = terms_notes(plan);
  ASSERT_EQ(notes.size(), 1u) << "step 3 has step 2's rate";
  EXPECT_THAT(notes[0], HasSubstr("not trained on step 1's terms"));
  EXPECT_THAT(notes[0], HasSubstr("paired by seed"));
}

TEST(SameSteps, AreRefusedWithBothPlaces) {
  expect_error([] { plan_of("steps:\n  0: {set: {}}\n  1: {set: {RA_MLA_MLP_ATTN_GATE: y}}\n"); },
               {"p.yaml:5: step 1 (all) trains what step 0 (all) at", "p.yaml:4 trains", "`rerun_of: 0`"});
  expect_error([] { step_with("RA_MLA_MLP_GATE_ALPHA: 0.7"); },
               {"changes no weight here: RA_MLA_MLP_GATE_ALPHA", "`rerun_of: 0`"});
  expect_error([] { step_with("GPT2_LOG_INTERVAL: 3, GPT2_EVAL_INTERVAL: 7"); }, {"trains what step 0"});
  expect_error([] { step_with("GPT2_DROPOUT: 1e-1"); }, {"trains what step 0"});
  expect_error([] { step_with("MLP_EXPANSION: 4.00001"); }, {"trains what step 0", "MLP_EXPANSION"});
  expect_error([] { step_with("GPT2_N_KV_HEAD: 12", {"ENABLE_RA_MLA=n"}); },
               {"trains what step 0", "(what differs changes no weight here: GPT2_N_KV_HEAD)"});
  expect_error([] { plan_of("grid: {RA_MLA_MLP_ATTN_GATE: [n, y], RA_MLA_MLP_GATE_ALPHA: [0.1, 0.2]}\n"); },
               {"step 1", "trains what step 0", "RA_MLA_MLP_GATE_ALPHA"});
  EXPECT_EQ(plan_of("steps:\n  0: {set: {}}\n  1: {rerun_of: 0}\n").steps.size(), 2u);
}

TEST(SameSteps, OfAGridAreOneValueInTwoSpellings) {
  expect_error([] { plan_of("grid:\n  GPT2_LEARNING_RATE:\n  - 1e-3\n  - 0.001\n"); },
               {"p.yaml:6: grid: GPT2_LEARNING_RATE: 0.001 is the 1e-3 at", "p.yaml:5 in another spelling"});
}

TEST(StepNames, AreDifferentForDifferentArms) {
  const auto plan =
      plan_of(str("steps:\n  0: {set: {", kOff, "}}\n  1: {set: {", kOff, ", GPT2_DROPOUT: 0.2}}\n",
                  "  2: {set: {", kOff, ", GPT2_DROPOUT: 0.3, GPT2_BIAS: n}}\n  3: {rerun_of: 2}\n"));
  EXPECT_THAT(names(plan), ElementsAre("mla", "mla GPT2_DROPOUT=0.2", "mla GPT2_BIAS=n GPT2_DROPOUT=0.3",
                                       "mla GPT2_BIAS=n GPT2_DROPOUT=0.3"));
}

// Nothing else reads its settings, whose values both have.
TEST(StepNames, LeaveOutWhatASwitchBringsWithIt) {
  EXPECT_THAT(names(step_with("OPTIMIZER: adamwspam", {"OPTIMIZER=adamw"})),
              ElementsAre("mla", "mla OPTIMIZER=adamwspam"));
}

TEST(StepNames, DoNotDependOnWhichStepsAreSelected) {
  EXPECT_THAT(names(step_with("GPT2_DROPOUT: 0.2", {"RA_MLA_ABLATION_STEPS=1"})),
              ElementsAre("mla GPT2_DROPOUT=0.2"));
}

TEST(LearningRate, BelowItsLeastIsRefusedWithTheStep) {
  expect_error([] { plan_of("grid: {GPT2_LEARNING_RATE: [1e-3, 1e-5]}\n"); },
               {"step 1", "GPT2_LEARNING_RATE = 1e-05 is below GPT2_MIN_LR = 6e-05", "GPT2_DECAY_LR = n"});
  EXPECT_EQ(step_with("GPT2_LEARNING_RATE: 6e-5").steps.size(), 2u) << "a constant rate";
  EXPECT_EQ(step_with("GPT2_LEARNING_RATE: 1e-5, GPT2_DECAY_LR: n").steps.size(), 2u);
}

TEST(Warmup, ThatOutlastsTheRunIsNoted) {
  EXPECT_THAT(step_with("GPT2_DROPOUT: 0.2", {"GPT2_MAX_ITERS=2001"}).notes, IsEmpty());
  EXPECT_THAT(
      step_with("GPT2_DROPOUT: 0.2", {"GPT2_MAX_ITERS=2000"}).notes,
      ElementsAre(HasSubstr("every step: GPT2_WARMUP_STEPS = 2000 is no shorter than GPT2_MAX_ITERS = 2000: "
                            "the learning rate climbs to 0.000599")));
  EXPECT_THAT(step_with("GPT2_WARMUP_STEPS: 20000").notes,
              ElementsAre(HasSubstr("step 1: GPT2_WARMUP_STEPS")));
}

}  // namespace
}  // namespace kablate
