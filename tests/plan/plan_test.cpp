#include "plan/plan.h"

#include <gtest/gtest.h>

#include <set>

#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

const std::filesystem::path kPlans = std::string(KABLATE_SOURCE_DIR) + "/defconfigs/plans";

// The menu's defaults with small widths, changed by NAME=VALUE.
Settings settings(std::initializer_list<const char*> assignments = {}) {
  auto result = Settings::defaults();
  result.set_assignment("GPT2_N_LAYER=2", "test");
  for (const auto* assignment : assignments) result.set_assignment(assignment, "--set");
  return result;
}

KeyContext context() {
  return {.data_hash = "data",
          .threads = 1,
          .ranks = 1,
          .device = "cpu",
          .torch_version = "2.13.0",
          .build = {"s", "c", "f"}};
}

std::vector<std::pair<std::int64_t, std::int64_t>> order(const Plan& plan) {
  std::vector<std::pair<std::int64_t, std::int64_t>> result;
  for (const auto& trial : plan.trials) result.emplace_back(trial.seed, trial.step);
  return result;
}

TEST(Plan, OfTheSeedHasItsNames) {
  const auto plan = make_plan(settings(), kPlans);
  std::vector<std::string> names;
  for (const auto& step : plan.steps) names.push_back(step.name);
  EXPECT_EQ(names, (std::vector<std::string>{"mla", "gate", "gate+cross", "all", "gate+cross", "all"}));
  EXPECT_EQ(plan.find_step(4)->rerun_of, 2);
  EXPECT_EQ(plan.find_step(4)->rerun_index, 1);
  EXPECT_EQ(plan.find_step(2)->rerun_index, 0);
  EXPECT_EQ(plan.find_step(6), nullptr);
}

TEST(Plan, AppliesEachStepsDeltasToTheBase) {
  const auto plan = make_plan(settings({"RA_MLA_LATENT_DIM=48"}), kPlans);
  EXPECT_FALSE(plan.steps[0].config.gate.enabled);
  EXPECT_TRUE(plan.steps[2].config.gate.enabled && plan.steps[2].config.cross.enabled);
  EXPECT_FALSE(plan.steps[2].config.coupler.enabled);
  for (const auto& step : plan.steps) EXPECT_EQ(step.config.attention.latent_dim.at(0), 48);
  EXPECT_EQ(field_values(plan.steps[4].config).size(), symbols().size());
  EXPECT_TRUE(plan.steps[5].config.coupler.enabled) << "a rerun has its target's deltas";
}

// GPT2_VOCAB_SIZE = 0 becomes a number for each step and its controls, and counts as what the base gives.
TEST(Plan, SettlesEachStepsSettings) {
  const TemporaryFolder folder;
  folder.write("p.yaml",
               "name: p\nbaseline: 0\nsteps:\n  0: {set: {MLP_EXPANSION: \"2\"}}\n"
               "  1: {set: {MLP_EXPANSION: \"4\"}}\n"
               "  2: {set: {OBJECTIVE: masked_token, ATTENTION_DIRECTION: bidirectional}}\n"
               "controls:\n  - parameters: [1]\n");
  const auto base = settings({"ABLATION_PLAN=p", "RA_MLA_ABLATION_STEPS=0,1,3", "GPT2_VOCAB_SIZE=0"});
  const auto settle = [](Settings settings) {
    settings.settle("GPT2_VOCAB_SIZE", settings.bind().objective.masked() ? "31" : "30");
    return settings;
  };
  const auto plan = make_plan(base, folder.path(), settle);
  ASSERT_EQ(plan.steps.size(), 3u);
  for (const auto& step : plan.steps) {
    EXPECT_EQ(step.config.gpt.vocabulary, 30) << step.name;
    EXPECT_EQ(step.settings.origin("GPT2_VOCAB_SIZE"), "--set");
  }
  EXPECT_EQ(plan.baseline_config.gpt.vocabulary, 30);
  auto masked = settings({"ABLATION_PLAN=p", "RA_MLA_ABLATION_STEPS=2", "GPT2_VOCAB_SIZE=0"});
  EXPECT_EQ(make_plan(masked, folder.path(), settle).steps.at(0).config.gpt.vocabulary, 31);
  expect_error([&] { make_plan(base, folder.path()); },
               {"GPT2_VOCAB_SIZE = 0", "no data are read here", "set it to"});
}

TEST(Plan, RunsEveryStepOfASeedBeforeTheNextSeed) {
  const auto plan = make_plan(settings({"SEEDS=7,2", "RA_MLA_ABLATION_STEPS=3,0"}), kPlans);
  using Pairs = std::vector<std::pair<std::int64_t, std::int64_t>>;
  EXPECT_EQ(order(plan), (Pairs{{7, 0}, {7, 3}, {2, 0}, {2, 3}}));
}

TEST(Plan, WithoutAblationIsTheBase) {
  auto base = settings({"RA_MLA_ABLATION_MODE=n", "RA_MLA_MLP_CROSS_TOKEN=n"});
  base.set("ABLATION_PLAN", "none", ".config");
  const auto plan = make_plan(base, kPlans);
  ASSERT_EQ(plan.steps.size(), 1u);
  EXPECT_EQ(plan.steps[0].number, 0);
  EXPECT_EQ(plan.baseline, 0);
  EXPECT_TRUE(plan.steps[0].config.gate.enabled);
  EXPECT_FALSE(plan.steps[0].config.cross.enabled);
  expect_error(
      [] {
        make_plan(settings({"RA_MLA_ABLATION_MODE=n", "RA_MLA_ABLATION_STEPS=0,1"}), kPlans);
      },
      {"step 1 does not exist", "has 0"});
}

TEST(Plan, RefusesStepsAndSeedsThatAreNone) {
  expect_error([] { make_plan(settings({"RA_MLA_ABLATION_STEPS=0,9"}), kPlans); },
               {"--set: RA_MLA_ABLATION_STEPS", "step 9 does not exist", "0, 1, 2, 3, 4, 5"});
  expect_error([] { make_plan(settings({"RA_MLA_ABLATION_STEPS=1,1"}), kPlans); }, {"1 stands twice"});
  expect_error([] { make_plan(settings({"RA_MLA_ABLATION_STEPS=a"}), kPlans); }, {"\"a\""});
  for (const auto* seeds :
       {"SEEDS=0", "SEEDS=1,1", "SEEDS=1.5", "SEEDS=-1", "SEEDS=", "SEEDS=3-1", "SEEDS=1,", "SEEDS=01"})
    expect_error([&] { make_plan(settings({seeds}), kPlans); },
                 {"--set: SEEDS", "allowed: whole numbers >= 1"});
}

TEST(Plan, NamesTheStepThatIsRefused) {
  auto bad = settings({"RA_MLA_LATENT_DIM=100"});
  bad.set("RA_MLA_MLP_TYING_MODE", "per_head_scalar", ".config");
  expect_error([&] { make_plan(bad, kPlans); }, {"step 3 (all)", "RA_MLA_LATENT_DIM = 100"});
  auto without = bad;
  without.set("RA_MLA_ABLATION_STEPS", "0-2,4", "--steps");
  EXPECT_EQ(make_plan(without, kPlans).steps.size(), 4u) << "a step that is not selected is not checked";
}

TEST(Plan, PointsAtTheLineOfARealNumberThatIsNone) {
  const TemporaryFolder folder;
  folder.write("p.yaml", "name: p\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1: {set: {GPT2_DROPOUT: 1.5}}\n");
  expect_error([&] { make_plan(settings({"ABLATION_PLAN=p"}), folder.path()); },
               {"p.yaml:5", "GPT2_DROPOUT = \"1.5\"", ">= 0 and < 1"});
}

TEST(Plan, GridStepsAreNamedByTheirValues) {
  const TemporaryFolder folder;
  folder.write(
      "p.yaml",
      "name: p\nbaseline: 0\nsteps: {2: {rerun_of: 4}, 0: {set: {}}}\ngrid: {RA_MLA_LATENT_DIM: [32, 64]}\n");
  const auto plan = make_plan(settings({"ABLATION_PLAN=p"}), folder.path());
  EXPECT_EQ(plan.find_step(3)->name, "all RA_MLA_LATENT_DIM=32");
  EXPECT_EQ(plan.find_step(4)->config.attention.latent_dim.at(0), 64);
  EXPECT_EQ(plan.find_step(2)->config.attention.latent_dim.at(0), 64);
}

TEST(Plan, FactorialOfTheProjectHasItsCells) {
  const auto plan = make_plan(settings({"ABLATION_PLAN=factorial"}), kPlans);
  std::vector<std::string> names;
  for (const auto& step : plan.steps) names.push_back(step.name);
  EXPECT_EQ(names, (std::vector<std::string>{"mla", "gate", "cross", "gate+cross", "recip", "gate+recip",
                                             "cross+recip", "all", "mha", "mla+ra"}));
  EXPECT_EQ(plan.factors, (std::vector<std::string>{"RA_MLA_MLP_ATTN_GATE", "RA_MLA_MLP_CROSS_TOKEN",
                                                    "RA_MLA_MLP_LATENT_RECIP"}));
  for (std::int64_t cell = 0; cell < 8; ++cell) {
    EXPECT_EQ(plan.find_step(cell)->cell, cell);
    EXPECT_EQ(plan.find_step(cell)->config.gate.enabled, (cell & 1) != 0);
    EXPECT_EQ(plan.find_step(cell)->config.cross.enabled, (cell & 2) != 0);
    EXPECT_EQ(plan.find_step(cell)->config.coupler.enabled, (cell & 4) != 0);
  }
  EXPECT_FALSE(plan.find_step(8)->cell || plan.find_step(9)->cell);
}

TEST(Plan, FactorialsCellsAreToldApart) {
  const TemporaryFolder folder;
  folder.write("p.yaml", "name: p\nbaseline: 0\nfactorial: [GPT2_BIAS, RA_MLA_MLP_ATTN_GATE]\n");
  const auto plan = make_plan(settings({"ABLATION_PLAN=p"}), folder.path());
  EXPECT_EQ(plan.find_step(3)->name, "all GPT2_BIAS=y RA_MLA_MLP_ATTN_GATE=y");
}

TEST(Plan, ItemsThatStandAloneAreNamedAsOtherArmsAre) {
  const TemporaryFolder folder;
  folder.write("p.yaml",
               "name: p\nbaseline: 0\n"
               "each: [RA_MLA_MLP_ATTN_GATE, RA_MLA_MLP_CROSS_TOKEN, RA_MLA_MLP_LATENT_RECIP, "
               "{RA_MLA_LATENT_DIM: 16}]\n"
               "all_but: [RA_MLA_MLP_ATTN_GATE, RA_MLA_MLP_CROSS_TOKEN, RA_MLA_MLP_LATENT_RECIP]\n");
  const auto path = (folder.path() / "p.yaml").string();
  const auto plan = make_plan(settings({("ABLATION_PLAN=" + path).c_str()}), kPlans);
  std::vector<std::string> names;
  for (const auto& step : plan.steps) names.push_back(step.name);
  EXPECT_EQ(names, (std::vector<std::string>{"mla", "gate", "cross", "recip", "mla RA_MLA_LATENT_DIM=16",
                                             "all", "cross+recip", "gate+recip", "gate+cross"}));
  EXPECT_EQ(plan.arms, 8);
}

TEST(Plan, NoTwoTrialsShareAKey) {
  auto plan = make_plan(settings({"SEEDS=1-5"}), kPlans);
  assign_keys(plan, context());
  std::set<std::string> keys;
  for (const auto& trial : plan.trials) {
    EXPECT_EQ(trial.key.size(), 64u);
    EXPECT_TRUE(keys.insert(trial.key).second) << "step " << trial.step << ", seed " << trial.seed;
  }
  EXPECT_EQ(keys.size(), 30u);
}

TEST(Plan, SelectionChangesNoKey) {
  auto all = make_plan(settings(), kPlans),
       few = make_plan(settings({"RA_MLA_ABLATION_STEPS=5", "SEEDS=2"}), kPlans);
  assign_keys(all, context());
  assign_keys(few, context());
  ASSERT_EQ(few.trials.size(), 1u);
  EXPECT_EQ(few.trials[0].key, all.trials[11].key);
  EXPECT_EQ(few.trials[0].rerun_index, 1);
}

}  // namespace
}  // namespace kablate
