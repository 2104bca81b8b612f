// Controls as make_plan makes them: matched widths against a
// search of the test's own, dead twins against the baseline's key.
#include "plan/control.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "base/error.h"
#include "base/text.h"
#include "plan/plan.h"
#include "shape/model_shape.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;
using Assignments = std::vector<std::string>;

const std::filesystem::path kPlans = std::string(KABLATE_SOURCE_DIR) + "/defconfigs/plans";
const std::string kLadder =
    "name: p\nbaseline: 0\nsteps:\n"
    "  0: {set: {RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n}}\n"
    "  1: {set: {RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n}}\n"
    "  2: {set: {RA_MLA_MLP_LATENT_RECIP: n}}\n"
    "  3: {set: {}}\n";

Settings settings(const Assignments& assignments = {}) {
  auto result = Settings::defaults();
  for (const auto* small : {"GPT2_N_LAYER=3", "GPT2_N_HEAD=4", "GPT2_N_EMBD=128", "GPT2_BLOCK_SIZE=64",
                            "GPT2_VOCAB_SIZE=80", "RA_MLA_LATENT_DIM=32", "RA_MLA_MLP_GATE_DIM=16"})
    result.set_assignment(small, "test");
  for (const auto& assignment : assignments) result.set_assignment(assignment, "--set");
  return result;
}

// The plan of a text, and of the project's file.
Plan plan_of(const std::string& text, Assignments assignments = {}) {
  const TemporaryFolder folder;
  folder.write("p.yaml", text);
  assignments.push_back("ABLATION_PLAN=p");
  return make_plan(settings(assignments), folder.path());
}
Plan controls_plan(Assignments assignments = {}) {
  assignments.push_back("ABLATION_PLAN=ra-mla-controls");
  return make_plan(settings(assignments), kPlans);
}

std::vector<std::string> names(const Plan& plan) {
  std::vector<std::string> result;
  for (const auto& step : plan.steps) result.push_back(str(step.number, " ", step.name));
  return result;
}

double amount(Control kind, const Config& config) {
  return kind == Control::kFlops ? flops_per_iteration(config) : static_cast<double>(parameter_count(config));
}

TEST(Control, OfTheProjectsPlanAreMade) {
  const auto plan = controls_plan();
  EXPECT_EQ(names(plan),
            (std::vector<std::string>{"0 mla", "1 gate", "2 gate+cross", "3 all", "4 gate+cross", "5 all",
                                      "6 mla, params of 1", "7 mla, params of 2", "8 mla, params of 3",
                                      "9 mla, flops of 1", "10 mla, flops of 2", "11 mla, flops of 3",
                                      "12 all, dead twin of 3"}));
  EXPECT_TRUE(plan.notes.empty());
  EXPECT_EQ(plan.find_step(7)->control, Control::kParameters);
  EXPECT_EQ(plan.find_step(7)->control_of, 2);
  EXPECT_EQ(plan.find_step(12)->control, Control::kDeadTwin);
  EXPECT_FALSE(plan.find_step(12)->match);
  EXPECT_EQ(plan.find_step(3)->control, Control::kNone);
  ASSERT_EQ(plan.trials.size(), 39u) << "controls are trained like any step";
  EXPECT_EQ(plan.trials[12].name, "all, dead twin of 3");
}

// The count of step 2 of the published ladder, 230,419,200, by hand: F more columns in c_fc and c_proj and
// one more value of c_fc's bias, in each of 12 layers.
TEST(Control, MatchesThePublishedLadderByHand) {
  Assignments published;
  for (const auto* name : {"GPT2_N_LAYER", "GPT2_N_HEAD", "GPT2_N_EMBD", "GPT2_BLOCK_SIZE", "GPT2_VOCAB_SIZE",
                           "RA_MLA_LATENT_DIM", "RA_MLA_MLP_GATE_DIM"})
    published.push_back(str(name, "=", find_symbol(name)->default_value));
  const auto plan = controls_plan(published);
  const auto& match = plan.find_step(7)->match;
  ASSERT_TRUE(match);
  const double extra = (230'419'200.0 - 115'001'856.0) / (12 * (2 * 768 + 1));
  EXPECT_EQ(match->width, 3072 + std::llround(extra));
  EXPECT_EQ(match->target, 230'419'200);
  EXPECT_EQ(match->reached, 115'001'856 + 12 * (2 * 768 + 1) * std::llround(extra));
  EXPECT_EQ(plan.find_step(7)->config.mlp_width(0), match->width);
}

TEST(Control, IsTheBaselineInAllButTheWidth) {
  const auto plan = controls_plan();
  for (const auto number : {6, 7, 8, 9, 10, 11})
    EXPECT_EQ(key_differences(key_text(plan.steps[0].config, 0, 0, 1, {}),
                              key_text(plan.find_step(number)->config, 0, 0, 1, {})),
              (std::vector<std::string>{
                  str("MLP_EXPANSION 4 -> ", shortest(plan.find_step(number)->config.mlp.expansion.at(0)))}));
}

// Draws a small model; some can't be matched, some are refused for other reasons.
Assignments draw(std::mt19937& random) {
  const auto pick = [&](std::initializer_list<const char*> values) {
    return std::string(*(values.begin() + random() % values.size()));
  };
  return {"GPT2_N_LAYER=" + pick({"1", "2", "3", "7"}),
          "GPT2_N_HEAD=" + pick({"1", "2", "4"}),
          "GPT2_N_EMBD=" + pick({"4", "8", "12", "64", "100", "192"}),
          "GPT2_VOCAB_SIZE=" + pick({"3", "80", "5000"}),
          "GPT2_BLOCK_SIZE=" + pick({"4", "64", "300"}),
          "GPT2_BIAS=" + pick({"y", "n"}),
          "GPT2_WEIGHT_TYING=" + pick({"y", "n"}),
          "NORM_PLACEMENT=" + pick({"pre", "post", "hybrid"}),
          "MLP_EXPANSION=" + pick({"4", "2.7", "1", "0.5"}),
          "RA_MLA_LATENT_DIM=" + pick({"2", "4", "32"}),
          "RA_MLA_MLP_GATE_DIM=" + pick({"1", "16"}),
          "RA_MLA_MLP_CROSS_RANK=" + pick({"0", "3"}),
          "RA_MLA_MLP_TYING_MODE=" + pick({"tied_transpose", "untied", "per_head_scalar"}),
          "RA_MLA_RA_ALPHA=" + pick({"0", "0.5"})};
}

// The baselines of a property test: plain, and with a mechanism whose parameters grow with F (or F²).
const std::string kBaselines[] = {
    kLadder,
    "name: p\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_LATENT_RECIP: n, RA_MLA_MLP_ATTN_GATE: n}}\n"
    "  1: {set: {RA_MLA_LATENT_DIM: 16}}\n  2: {set: {MLP_EXPANSION: 3}}\n"
    "  3: {set: {GPT2_N_HEAD: 2, RA_MLA_MLP_CROSS_TOKEN: n}}\n"};

struct Tally {
  int made = 0, unneeded = 0, unreachable = 0, refused = 0;
};

// One control of one drawn configuration: made and as near as any width, or not needed, or out of reach.
void check_control(const std::string& steps, Control kind, int arm, const Assignments& drawn, Tally& tally) {
  Plan plan, plain;
  const auto text = str(steps, "controls: [{", control_name(kind), ": [", arm, "]}]\n");
  try {
    plain = plan_of(steps, drawn);
  } catch (const UserError&) {
    ++tally.refused;
    return;
  }
  const Config baseline = plain.steps[0].config;
  const double target = amount(kind, plain.find_step(arm)->config);
  const auto distance = [&](std::int64_t width) {
    Config config = baseline;
    config.mlp.expansion.values = {static_cast<double>(width) / static_cast<double>(config.gpt.width)};
    return std::abs(amount(kind, config) - target);
  };
  try {
    plan = plan_of(text, drawn);
  } catch (const UserError& fault) {
    ++tally.unreachable;
    EXPECT_NE(std::string(fault.what()).find("the nearest is"), std::string::npos) << fault.what();
    for (std::int64_t width = 1; width <= 3000; ++width)
      EXPECT_GT(distance(width), 0.005 * target) << "width " << width << " was missed: " << fault.what();
    return;
  }
  const auto* step = plan.find_step(4);
  if (step == nullptr) {
    ++tally.unneeded;
    EXPECT_NE(join(plan.notes, "\n").find(", is not made: "), std::string::npos);
    EXPECT_LE(std::abs(amount(kind, baseline) - target), 0.005 * target);
    return;
  }
  ++tally.made;
  EXPECT_GT(std::abs(amount(kind, baseline) - target), 0.005 * target);
  const double reached = amount(kind, step->config);
  EXPECT_LE(std::abs(reached - target), 0.005 * target);
  EXPECT_EQ(step->match->reached, reached);
  EXPECT_EQ(step->match->target, target);
  EXPECT_EQ(step->match->width, step->config.mlp_width(0));
  EXPECT_LE(distance(step->match->width), distance(step->match->width + 1));
  EXPECT_TRUE(step->match->width == 1 || distance(step->match->width) <= distance(step->match->width - 1));
}

TEST(Control, MatchesRandomConfigurations) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  Tally tally;
  for (int round = 0; round < 400; ++round) {
    const auto drawn = draw(random);
    SCOPED_TRACE(join(drawn, " "));
    const auto kind = round % 2 == 0 ? Control::kParameters : Control::kFlops;
    const int arm = 1 + static_cast<int>(random() % 3);
    check_control(kBaselines[random() % 2], kind, arm, drawn, tally);
    if (HasFailure()) return;
  }
  EXPECT_GT(tally.made, 80);
  EXPECT_GT(tally.unneeded, 5);
  EXPECT_GT(tally.unreachable, 5);
  EXPECT_LT(tally.refused, 250);
}

// Mechanism 3 with per-head scalars needs a width that the latent width divides; the nearest such one counts,
// not the nearest of all, which is refused.
TEST(Control, FindsAWidthThatTheBaselineAccepts) {
  const auto plan = plan_of(
      "name: p\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n}}\n"
      "  1: {set: {RA_MLA_MLP_ATTN_GATE: n}}\ncontrols: [parameters]\n",
      {"RA_MLA_MLP_TYING_MODE=per_head_scalar", "RA_MLA_LATENT_DIM=8"});
  const auto target = static_cast<double>(parameter_count(plan.steps[1].config));
  const auto nearest = [&](std::int64_t multiple) {
    std::int64_t best = multiple;
    Config config = plan.steps[0].config;
    const auto distance = [&](std::int64_t width) {
      config.mlp.expansion.values = {static_cast<double>(width) / 128};
      return std::abs(static_cast<double>(parameter_count(config)) - target);
    };
    for (std::int64_t width = multiple; width < 4000; width += multiple)
      if (distance(width) < distance(best)) best = width;
    return best;
  };
  EXPECT_NE(nearest(1) % 8, 0) << "shows nothing";
  EXPECT_EQ(plan.find_step(2)->config.mlp_width(0), nearest(8));
}

TEST(Control, OutOfReachIsRefusedAndSaysByHowMuch) {
  // One column more or less of an MLP in a model 4 wide is more than 0.5 %.
  expect_error(
      [] {
        plan_of(kLadder + "controls: [{parameters: [1]}]\n",
                {"GPT2_N_EMBD=4", "GPT2_N_LAYER=7", "GPT2_VOCAB_SIZE=3", "GPT2_BLOCK_SIZE=4",
                 "RA_MLA_MLP_GATE_DIM=3", "RA_MLA_LATENT_DIM=2"});
      },
      {"p.yaml:8", "step 4, control parameters of step 1 (gate)", "the nearest is",
       " %) at MLP_EXPANSION = ", "allowed: 0.5 %", "RA_MLA_ABLATION_STEPS"});
  // The arm is a thousand times the baseline.
  expect_error(
      [] {
        plan_of(
            "name: p\nbaseline: 0\nsteps:\n  0: {set: {GPT2_N_LAYER: 1, RA_MLA_MLP_ATTN_GATE: n}}\n"
            "  1: {set: {GPT2_N_LAYER: 3000, GPT2_N_EMBD: 128}}\ncontrols: [parameters]\n",
            {"GPT2_N_EMBD=4", "GPT2_VOCAB_SIZE=3", "RA_MLA_MLP_CROSS_TOKEN=n", "RA_MLA_MLP_LATENT_RECIP=n"});
      },
      {"MLP_EXPANSION = 1024, width 4096", "a width from 1 to 4096"});
}

TEST(Control, OfAnArmAsLargeAsTheBaselineIsNotMadeAndSaysSo) {
  const auto plan =
      plan_of(kLadder +
              "  4: {set: {RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n, "
              "GPT2_LEARNING_RATE: 1e-3}}\ncontrols: [parameters]\n");
  EXPECT_EQ(plan.steps.size(), 8u);
  EXPECT_EQ(plan.find_step(8), nullptr);
  ASSERT_EQ(plan.notes.size(), 1u);
  EXPECT_NE(plan.notes[0].find(
                "step 8, control parameters of step 4 (mla GPT2_LEARNING_RATE=0.001), is not made: "),
            std::string::npos)
      << plan.notes[0];
}

TEST(Control, OfABlockedArmIsNotMade) {
  const auto plan = controls_plan({"RA_MLA_MLP_GATE_POOL=sequence"});
  EXPECT_EQ(plan.steps.size(), 6u);
  ASSERT_EQ(plan.notes.size(), 7u);
  EXPECT_NE(plan.notes[0].find("blocked"), std::string::npos);
  EXPECT_EQ(plan.notes[6], "step 12, control dead_twin, is not made: every arm is blocked");
  const auto allowed = controls_plan({"RA_MLA_MLP_GATE_POOL=sequence", "RA_MLA_ALLOW_NONCAUSAL=y"});
  EXPECT_EQ(allowed.steps.size(), 13u);
}

TEST(Control, IsSelectedByItsNumber) {
  const auto some = controls_plan({"RA_MLA_ABLATION_STEPS=0,3,8,12"});
  EXPECT_EQ(names(some),
            (std::vector<std::string>{"0 mla", "3 all", "8 mla, params of 3", "12 all, dead twin of 3"}));
  EXPECT_EQ(controls_plan({"RA_MLA_ABLATION_STEPS=0-5"}).steps.size(), 6u);
  EXPECT_EQ(controls_plan({"RA_MLA_ABLATION_STEPS=11"}).steps[0].match->width,
            controls_plan().find_step(11)->match->width)
      << "neither the arm nor the baseline needs to be selected";
  expect_error([] { controls_plan({"RA_MLA_ABLATION_STEPS=13"}); }, {"step 13 does not exist", "11, 12"});
  expect_error(
      [] {
        controls_plan({"RA_MLA_ABLATION_STEPS=6", "RA_MLA_MLP_GATE_POOL=sequence"});
      },
      {"RA_MLA_ABLATION_STEPS = \"6\"", "leaves nothing to train", "blocked"});
}

// Its arm's mechanisms and parameters; without the mechanisms, the baseline in every number.
TEST(DeadTwin, IsTheBaselineButForWeightlessMechanisms) {
  const auto plan = controls_plan({"RA_MLA_RA_ALPHA=0.5"});
  const auto& twin = plan.find_step(12)->config;
  const auto& arm = plan.find_step(3)->config;
  EXPECT_EQ(parameter_count(twin), parameter_count(arm));
  EXPECT_TRUE(twin.gate.enabled && twin.cross.enabled && twin.coupler.enabled);
  EXPECT_EQ(twin.gate.alpha, 0);
  EXPECT_EQ(twin.cross.alpha, 0);
  EXPECT_EQ(twin.coupler.alpha, 0);
  EXPECT_EQ(twin.attention.reciprocal_alpha, 0.5) << "the baseline has it as well";
  Config without = twin;
  without.gate.enabled = without.cross.enabled = without.coupler.enabled = false;
  EXPECT_EQ(key_text(without, 0, 0, 1, {}), key_text(plan.steps[0].config, 0, 0, 1, {}));
}

TEST(DeadTwin, LeavesTheBaselinesOwnMechanismsOn) {
  const auto plan = plan_of(
      "name: p\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n}}\n"
      "  1: {set: {RA_MLA_MLP_LATENT_RECIP: n, RA_MLA_RA_ALPHA: 0.5}}\ncontrols: [dead_twin]\n");
  const auto& twin = plan.find_step(2)->config;
  EXPECT_EQ(twin.gate.alpha, plan.steps[0].config.gate.alpha);
  EXPECT_EQ(twin.cross.alpha, 0);
  EXPECT_EQ(twin.attention.reciprocal_alpha, 0);
}

TEST(DeadTwin, WithoutAListIsOfTheLargestArmThatCanHaveOne) {
  const auto of = [](const std::string& more) {
    return plan_of(kLadder + more + "controls: [dead_twin]\n").steps.back().control_of;
  };
  EXPECT_EQ(of(""), 3);
  EXPECT_EQ(of("  7: {set: {RA_MLA_MLP_GATE_ALPHA: 0.7}}\n"), 7) << "the highest number of equals";
  EXPECT_EQ(of("  7: {set: {RA_MLA_MLP_ATTN_GATE: n}}\n"), 3);
  EXPECT_EQ(of("  7: {set: {GPT2_N_LAYER: 9}}\n"), 3) << "a deeper arm could not equal the baseline";
}

TEST(DeadTwin, OfWhatCouldNotEqualTheBaselineIsRefused) {
  const auto twin = [](const std::string& set) {
    plan_of(kLadder + "  4: {set: {" + set + "}}\ncontrols:\n  - {dead_twin: [4]}\n");
  };
  expect_error(
      [&] { twin("GPT2_N_LAYER: 4"); },
      {"p.yaml:10", "step 5, control dead_twin of step 4 (all GPT2_N_LAYER=4)", "GPT2_N_LAYER 3 -> 4"});
  expect_error([&] { twin("GPT2_LEARNING_RATE: 1e-2, GPT2_DROPOUT: 0"); },
               {"GPT2_LEARNING_RATE 6e-04 -> 0.01", "GPT2_DROPOUT 0.1 -> 0"});
  expect_error(
      [&] {
        twin(
            "RA_MLA_MLP_ATTN_GATE: n, RA_MLA_MLP_CROSS_TOKEN: n, RA_MLA_MLP_LATENT_RECIP: n, GPT2_DROPOUT: "
            "0");
      },
      {"no mechanism that the baseline lacks"});
  expect_error(
      [] {
        plan_of(
            "name: p\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_ATTN_GATE: n}}\n"
            "  1: {set: {GPT2_N_LAYER: 4}}\ncontrols: [dead_twin]\n");
      },
      {"no arm can have one", "step 1 (all)", "GPT2_N_LAYER 3 -> 4"});
}

}  // namespace
}  // namespace kablate
