#include "plan/step_forms.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "config/settings.h"
#include "support/core/expect_error.h"
#include "support/core/plan_text.h"

namespace kablate {
namespace {

using testing_support::assignments;
using testing_support::BadPlan;
using testing_support::expect_error;
using testing_support::expect_refused;
using testing_support::parse;

TEST(StepForms, GridRunsItsLastSymbolFastest) {
  const auto plan = parse(
      "name: g\nbaseline: 0\n"
      "grid: {RA_MLA_LATENT_DIM: [32, 64], RA_MLA_MLP_TYING_MODE: [untied, tied_transpose, "
      "per_head_scalar]}\n");
  ASSERT_EQ(plan.steps.size(), 6u);
  EXPECT_EQ(assignments(plan.steps.at(0)),
            (std::vector<std::string>{"RA_MLA_LATENT_DIM=32", "RA_MLA_MLP_TYING_MODE=untied"}));
  EXPECT_EQ(assignments(plan.steps.at(1)),
            (std::vector<std::string>{"RA_MLA_LATENT_DIM=32", "RA_MLA_MLP_TYING_MODE=tied_transpose"}));
  EXPECT_EQ(assignments(plan.steps.at(5)),
            (std::vector<std::string>{"RA_MLA_LATENT_DIM=64", "RA_MLA_MLP_TYING_MODE=per_head_scalar"}));
}

TEST(StepForms, GridIsNumberedOnFromTheSteps) {
  const auto plan = parse("name: g\nbaseline: 4\nsteps: {4: {set: {}}}\ngrid: {GPT2_N_LAYER: [1, 2]}\n");
  ASSERT_EQ(plan.steps.size(), 3u);
  EXPECT_EQ(assignments(plan.steps.at(6)), (std::vector<std::string>{"GPT2_N_LAYER=2"}));
}

TEST(StepForms, AStairIsTheStepBeforeItAndItsOwnChanges) {
  const auto plan = parse(
      "name: p\nbaseline: 4\n"
      "path:\n  - {ENABLE_RA_MLA: n, GPT2_N_LAYER: 2}\n  - {GPT2_N_LAYER: 3}\n"
      "  - {ENABLE_RA_MLA: y, GPT2_BIAS: n}\n"
      "steps:\n  3: {set: {}}\n");
  ASSERT_EQ(plan.steps.size(), 4u);
  EXPECT_EQ(assignments(plan.steps.at(4)), (std::vector<std::string>{"ENABLE_RA_MLA=n", "GPT2_N_LAYER=2"}));
  EXPECT_EQ(assignments(plan.steps.at(5)), (std::vector<std::string>{"ENABLE_RA_MLA=n", "GPT2_N_LAYER=3"}));
  EXPECT_EQ(assignments(plan.steps.at(6)),
            (std::vector<std::string>{"ENABLE_RA_MLA=y", "GPT2_N_LAYER=3", "GPT2_BIAS=n"}));
  EXPECT_EQ(plan.steps.at(6).set[0].origin, "p.yaml:6");
  EXPECT_FALSE(plan.steps.at(3).after || plan.steps.at(4).after);
  EXPECT_EQ(plan.steps.at(5).after, 4);
  EXPECT_EQ(plan.steps.at(6).after, 5);
}

TEST(StepForms, EachItemStandsAlone) {
  const auto plan = parse(
      "name: e\nbaseline: 3\nsteps: {2: {set: {}}}\n"
      "each:\n- GPT2_BIAS\n- {RA_MLA_MLP_ATTN_GATE: n, GPT2_N_LAYER: 2}\n- {GPT2_N_LAYER: 3}\n");
  ASSERT_EQ(plan.steps.size(), 5u);
  using List = std::vector<std::string>;
  EXPECT_EQ(assignments(plan.steps.at(3)), (List{"GPT2_BIAS=n", "RA_MLA_MLP_ATTN_GATE=y"}));
  EXPECT_EQ(assignments(plan.steps.at(4)), (List{"GPT2_BIAS=y", "RA_MLA_MLP_ATTN_GATE=y"}));
  EXPECT_EQ(assignments(plan.steps.at(5)), (List{"GPT2_BIAS=n", "RA_MLA_MLP_ATTN_GATE=n", "GPT2_N_LAYER=2"}));
  EXPECT_EQ(assignments(plan.steps.at(6)), (List{"GPT2_BIAS=n", "RA_MLA_MLP_ATTN_GATE=y", "GPT2_N_LAYER=3"}));
  EXPECT_EQ(plan.steps.at(6).origin, "p.yaml:7");
  EXPECT_FALSE(plan.steps.at(5).after || plan.steps.at(5).cell || plan.steps.at(5).from_grid);
}

TEST(StepForms, AllButOneItemIsAllOthers) {
  const auto plan = parse(
      "name: e\nbaseline: 0\n"
      "all_but: [GPT2_BIAS, {RA_MLA_MLP_ATTN_GATE: y, GPT2_N_LAYER: 2}, {GPT2_BIAS: y, GPT2_N_HEAD: 2}]\n");
  ASSERT_EQ(plan.steps.size(), 4u);
  using List = std::vector<std::string>;
  const auto set = [&](std::int64_t step) { return assignments(plan.steps.at(step)); };
  EXPECT_EQ(set(0), (List{"GPT2_BIAS=y", "RA_MLA_MLP_ATTN_GATE=y", "GPT2_N_LAYER=2", "GPT2_N_HEAD=2"}));
  EXPECT_EQ(set(1), set(0));  // the third item has that switch on too
  EXPECT_EQ(set(2), (List{"GPT2_BIAS=y", "RA_MLA_MLP_ATTN_GATE=n", "GPT2_N_HEAD=2"}));
  EXPECT_EQ(set(3), (List{"GPT2_BIAS=y", "RA_MLA_MLP_ATTN_GATE=y", "GPT2_N_LAYER=2"}));
}

TEST(StepForms, EachAndAllButMayStandInOnePlanWithControls) {
  const auto plan = parse(
      "name: e\nbaseline: 0\nall_but: [GPT2_BIAS, QK_NORM, GPT2_WEIGHT_TYING]\n"
      "each: [GPT2_BIAS, QK_NORM, GPT2_WEIGHT_TYING]\ncontrols: [{parameters: [1]}]\n");
  ASSERT_EQ(plan.steps.size(), 8u);
  EXPECT_EQ(plan.steps.at(0).origin, "p.yaml:4");  // `each` first, wherever it stands
  EXPECT_EQ(plan.steps.at(4).origin, "p.yaml:3");
  EXPECT_TRUE(plan.controls.contains(8));
}

TEST(StepForms, FactorialHasAStepForEachCell) {
  const auto plan = parse(
      "name: f\nbaseline: 0\nfactorial: [GPT2_BIAS, GPT2_WEIGHT_TYING]\nsteps: {4: {set: {}}, 7: {rerun_of: "
      "3}}\n");
  EXPECT_EQ(plan.factors, (std::vector<std::string>{"GPT2_BIAS", "GPT2_WEIGHT_TYING"}));
  ASSERT_EQ(plan.steps.size(), 6u);
  for (std::int64_t cell = 0; cell < 4; ++cell) {
    EXPECT_EQ(plan.steps.at(cell).cell, cell);
    EXPECT_EQ(assignments(plan.steps.at(cell)),
              (std::vector<std::string>{str("GPT2_BIAS=", (cell & 1) != 0 ? "y" : "n"),
                                        str("GPT2_WEIGHT_TYING=", (cell & 2) != 0 ? "y" : "n")}));
  }
  EXPECT_FALSE(plan.steps.at(4).cell);
  EXPECT_FALSE(plan.steps.at(7).cell);
}

TEST(StepForms, FactorialIsNumberedOnWhereItsNumbersAreTaken) {
  const auto plan = parse(
      "name: f\nbaseline: 3\nfactorial: [GPT2_BIAS]\nsteps: {1: {set: {}}, 3: {set: {}}}\n"
      "grid: {GPT2_N_LAYER: [1, 2]}\n");
  ASSERT_EQ(plan.steps.size(), 6u);
  EXPECT_EQ(plan.steps.at(4).cell, 0);
  EXPECT_EQ(plan.steps.at(5).cell, 1);
  EXPECT_TRUE(plan.steps.at(6).from_grid && plan.steps.at(7).from_grid);
}

TEST(StepForms, RefusesAHugeFactorial) {
  std::string factors;
  int count = 0;
  for (const auto& symbol : symbols())
    if (symbol.type == SymbolType::kBool && symbol.name != "RA_MLA_ABLATION_MODE" && count < 10)
      factors += str(count++ > 0 ? ", " : "", symbol.name);
  ASSERT_EQ(count, 10);
  expect_error([&] { parse(str("name: a\nbaseline: 0\nfactorial: [", factors, "]\n")); },
               {"p.yaml:3", "more than 1000 steps"});
}

TEST(StepForms, RefusesTooManyItems) {
  for (const std::string form : {"each", "all_but"}) {
    std::string text = str("name: a\nbaseline: 0\n", form, ":\n");
    for (int i = 1; i <= 1000; ++i) text += str("- {RA_MLA_LATENT_DIM: ", i, "}\n");
    expect_error([&] { parse(text); }, {"p.yaml:4", form + ": more than 1000 steps", "leave items out"});
  }
}

TEST(StepForms, RefusesAHugeGrid) {
  std::string values = "[1";
  for (int i = 2; i <= 40; ++i) values += str(", ", i);
  expect_error(
      [&] {
        parse(str("name: a\nbaseline: 0\ngrid: {GPT2_N_LAYER: ", values, "], GPT2_N_HEAD: ", values, "]}\n"));
      },
      {"more than 1000 steps"});
}

const BadPlan kBadForms[] = {
    {"name: a\nbaseline: 0\ngrid: {GPT2_N_LAYER: 3}\n", {"p.yaml:3", "GPT2_N_LAYER", "expected a list"}},
    {"name: a\nbaseline: 0\ngrid: {GPT2_N_LAYER: []}\n", {"p.yaml:3", "expected a list"}},
    {"name: a\nbaseline: 0\ngrid: {GPT2_N_LAYER: [1, 2, 1]}\n", {"p.yaml:3", "1 stands twice"}},
    {"name: a\nbaseline: 0\ngrid: {}\n", {"p.yaml:3", "at least one symbol"}},
    {"name: a\nbaseline: 0\ngrid: {GPT2_N_LAYERS: [1]}\n", {"p.yaml:3", "GPT2_N_LAYERS"}},
    {"name: a\nbaseline: 0\npath: {GPT2_BIAS: y}\n", {"p.yaml:3", "path", "expected a list"}},
    {"name: a\nbaseline: 0\npath:\n  - {}\n  - {GPT2_BIAS: y}\n  - {}\n", {"p.yaml:6", "without a change"}},
    {"name: a\nbaseline: 0\npath:\n  - {}\n  - {GPT2_BIASS: y}\n", {"p.yaml:5", "did you mean GPT2_BIAS"}},
    {"name: a\nbaseline: 0\npath: [{}, {LORA_FREEZE_BASE_AT: 100%}]\n",
     {"p.yaml:3", "LORA_FREEZE_BASE_AT = \"100%\"", "from 0% to 99%"}},
    {"name: a\nbaseline: 0\npath: [{}, {MLP_UNSHARE_AT: half}]\n",
     {"p.yaml:3", "MLP_UNSHARE_AT", "whole number"}},
    {"name: a\nbaseline: 0\npath: [{}, {GPT2_WARMUP_STEPS: 5%}]\n", {"p.yaml:3", "GPT2_WARMUP_STEPS"}},
    {"name: a\nbaseline: 0\npath: [{}, {SEEDS: 1}]\n", {"p.yaml:3", "whole plan"}},
    {"name: a\nbaseline: 0\nfactorial: GPT2_BIAS\n", {"p.yaml:3", "factorial", "expected a list"}},
    {"name: a\nbaseline: 0\nfactorial: []\n", {"p.yaml:3", "factorial", "expected a list"}},
    {"name: a\nbaseline: 0\nfactorial: [GPT2_N_LAYER]\n",
     {"p.yaml:3", "GPT2_N_LAYER is no switch", "y or n"}},
    {"name: a\nbaseline: 0\nfactorial: [GPT2_BIASS]\n", {"p.yaml:3", "GPT2_BIASS", "did you mean GPT2_BIAS"}},
    {"name: a\nbaseline: 0\nfactorial: [RA_MLA_ABLATION_MODE]\n", {"p.yaml:3", "whole plan"}},
    {"name: a\nbaseline: 0\nfactorial:\n  - GPT2_BIAS\n  - GPT2_BIAS\n",
     {"p.yaml:5", "GPT2_BIAS stands twice"}},
    {"name: a\nbaseline: 0\neach: GPT2_BIAS\n", {"p.yaml:3", "each", "expected a list"}},
    {"name: a\nbaseline: 0\neach: []\n", {"p.yaml:3", "each", "expected a list"}},
    {"name: a\nbaseline: 0\nall_but:\n- GPT2_BIAS\n- {}\n", {"p.yaml:5", "all_but", "without a value"}},
    {"name: a\nbaseline: 0\neach: [[GPT2_BIAS]]\n", {"p.yaml:3", "each", "expected one value"}},
    {"name: a\nbaseline: 0\neach:\n- GPT2_BIAS\n- GPT2_N_LAYER\n",
     {"p.yaml:5", "each: GPT2_N_LAYER is no switch", "y or n", "{GPT2_N_LAYER: value}"}},
    {"name: a\nbaseline: 0\neach: [{GPT2_N_LAYER: [1, 2]}]\n", {"p.yaml:3", "expected one value"}},
    {"name: a\nbaseline: 0\nall_but: [GPT2_BIASS]\n", {"p.yaml:3", "GPT2_BIASS", "did you mean GPT2_BIAS"}},
    {"name: a\nbaseline: 0\neach: [RA_MLA_ABLATION_MODE]\n", {"p.yaml:3", "whole plan"}},
    {"name: a\nbaseline: 0\neach:\n- GPT2_BIAS\n- {GPT2_BIAS: y}\n",
     {"p.yaml:5", "each: GPT2_BIAS stands twice, first at p.yaml:4"}},
    {"name: a\nbaseline: 0\neach:\n- {GPT2_LEARNING_RATE: 1e-3}\n- {GPT2_LEARNING_RATE: 0.001}\n",
     {"p.yaml:5", "each: GPT2_LEARNING_RATE stands twice, first at p.yaml:4"}},
    {"name: a\nbaseline: 0\neach:\n- GPT2_BIAS\n- {GPT2_BIAS: n}\n",
     {"p.yaml:5", "GPT2_BIAS is n here and y in the item at p.yaml:4"}},
    {"name: a\nbaseline: 0\nall_but:\n- {GPT2_N_LAYER: 2}\n- {GPT2_N_LAYER: 3, GPT2_BIAS: y}\n",
     {"p.yaml:5", "all_but: GPT2_N_LAYER is 3 here and 2 in the item at p.yaml:4"}},
    {"name: a\nbaseline: 0\ngrid: {GPT2_N_LAYER: [1, 2}\n", {"p.yaml:3", "a } where the [ of line 3"}},
};

TEST(StepForms, RefuseEachMistakeWithItsLine) { expect_refused(kBadForms); }

}  // namespace
}  // namespace kablate
