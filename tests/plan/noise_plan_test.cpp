#include "plan/noise_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::expect_error;

constexpr const char* kPlan =
    "name: test\nbaseline: 1\nsteps:\n"
    "  0: {set: {RA_MLA_MLP_ATTN_GATE: y, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n}}\n"
    "  1: {set: {RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n}}\n";

class NoisePlan : public testing::Test {
 protected:
  NoisePlan() {
    folder.write("test.yaml", kPlan);
    settings.set("ABLATION_PLAN", "test", "test");
    settings.set("SEEDS", "1-3,1001", "test");
  }

  TemporaryFolder folder;
  Settings settings = Settings::defaults();
  KeyContext context{.data_hash = "d", .device = "cpu", .torch_version = "t", .build = {"s", "c", "f"}};
};

TEST_F(NoisePlan, TakesSeedsThatThePlanHasNot) {
  EXPECT_THAT(fresh_seeds({1, 2, 3}, 3), ElementsAre(1001, 1002, 1003));
  EXPECT_THAT(fresh_seeds({1002, 7, 1001}, 3), ElementsAre(1003, 1004, 1005));
}

TEST_F(NoisePlan, TrainsTheBaselineUnderTheKeysOfAPlanWithTheseSeeds) {
  settings.set("RA_MLA_ABLATION_STEPS", "0", "test");  // the baseline need not be selected
  Plan noise = noise_plan(settings, folder.path(), {1002, 1003}, {});
  settings.set("RA_MLA_ABLATION_STEPS", "1", "test");
  settings.set("SEEDS", "1002-1003", "test");
  Plan planned = make_plan(settings, folder.path());
  assign_keys(noise, context), assign_keys(planned, context);
  ASSERT_EQ(noise.trials.size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_EQ(noise.trials[i].key, planned.trials[i].key);
  EXPECT_EQ(noise.baseline, 1);
}

TEST_F(NoisePlan, PlantsAHarmUnderTheSameSeeds) {
  const Plan plan = noise_plan(settings, folder.path(), {1002, 1003, 1004}, {1002, 1004});
  ASSERT_EQ(plan.trials.size(), 5u);
  EXPECT_EQ(plan.trials[3].seed, 1002);
  EXPECT_EQ(plan.trials[4].seed, 1004);
  EXPECT_EQ(plan.trials[4].name, "no-attention");
  EXPECT_FALSE(plan.trials[4].config.gpt.attention);
  EXPECT_TRUE(plan.trials[2].config.gpt.attention);
}

// Without queries and keys there is nothing to rotate or to norm.
TEST_F(NoisePlan, TheHarmLeavesOutWhatTurnsQueriesAndKeys) {
  for (const auto& [symbol, value] :
       {std::pair{"ENABLE_RA_MLA", "n"}, {"POSITIONS", "rotary"}, {"QK_NORM", "y"}})
    settings.set(symbol, value, "test");
  const Plan plan = noise_plan(settings, folder.path(), {1002}, {1002});
  EXPECT_EQ(plan.trials[0].config.gpt.positions, Positions::kRotary);
  EXPECT_EQ(plan.trials[1].config.gpt.positions, Positions::kNone);
  EXPECT_FALSE(plan.trials[1].config.attention.qk_norm);
}

TEST_F(NoisePlan, RefusesAHarmWhereMechanismsNeedTheAttention) {
  folder.write("test.yaml",
               std::string(kPlan).replace(std::string(kPlan).find("baseline: 1"), 11, "baseline: 0"));
  EXPECT_NO_THROW(noise_plan(settings, folder.path(), {1002}, {}));
  try {
    noise_plan(settings, folder.path(), {1002}, {1002});
    FAIL() << "was accepted";
  } catch (const UserError& fault) {
    EXPECT_THAT(fault.what(), HasSubstr("planted harm"));
    EXPECT_THAT(fault.what(), HasSubstr("GPT2_ATTENTION"));
  }
}

TEST_F(NoisePlan, RefusesWhatTheBaselineDoesNotRead) {
  const auto with = [&](const char* symbol, const char* value) {
    Settings given = settings;
    given.set(symbol, value, "--set");
    noise_plan(given, folder.path(), {1002}, {});
  };
  expect_error(
      [&] { with("RA_MLA_MLP_GATE_DIM", "8"); },
      {"--set: RA_MLA_MLP_GATE_DIM = \"8\": nothing reads it", "the baseline, step 1, alone is trained"});
  expect_error([&] { with("RA_MLA_MLP_ATTN_GATE", "y"); }, {"counts in no selected step"});
  folder.write("test.yaml", std::string(kPlan) + "  2: {set: {GPT2_N_LAYER: 3}}\n");
  expect_error(
      [&] { with("RA_MLA_MLP_ATTN_GATE", "y"); },
      {"RA_MLA_MLP_ATTN_GATE = \"y\": counts for nothing: the plan sets RA_MLA_MLP_ATTN_GATE itself"});
  EXPECT_NO_THROW(with("GPT2_N_LAYER", "2"));
  EXPECT_NO_THROW(with("RA_MLA_ABLATION_STEPS", "0"));
}

TEST_F(NoisePlan, AnArmHasOneHashForAllSeeds) {
  const auto arms = [&](const char* data_seed, std::int64_t seed) {
    settings.set("DATA_SEED", data_seed, "test");
    Plan plan = noise_plan(settings, folder.path(), {seed}, {seed});
    assign_keys(plan, context);
    return std::pair(arm_key(plan.trials[0].config, plan.trials[0].key_text),
                     arm_key(plan.trials[1].config, plan.trials[1].key_text));
  };
  EXPECT_EQ(arms("0", 1002), arms("0", 1003));
  EXPECT_EQ(arms("5", 1002), arms("5", 1003));
  EXPECT_NE(arms("5", 1002), arms("6", 1002));  // then the data's order belongs to the arm
  EXPECT_NE(arms("0", 1002).first, arms("0", 1002).second);
}

}  // namespace
}  // namespace kablate
