#include "plan/plan_file.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "base/text.h"
#include "config/config.h"
#include "config/settings.h"
#include "support/core/expect_error.h"
#include "support/core/plan_text.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::assignments;
using testing_support::BadPlan;
using testing_support::expect_error;
using testing_support::expect_refused;
using testing_support::parse;

const std::string kLadder =
    "name: ladder\n"
    "baseline: 0\n"
    "steps:\n"
    "  0: {set: {RA_MLA_MLP_ATTN_GATE: n, RA_MLA_LATENT_DIM: 32}}\n"
    "  1: {set: {RA_MLA_MLP_ATTN_GATE: y}}\n"
    "  2: {rerun_of: 1}\n";

TEST(PlanFile, HoldsStepsDeltasAndReruns) {
  const auto plan = parse(kLadder);
  EXPECT_EQ(plan.name, "ladder");
  EXPECT_EQ(plan.text, kLadder);
  EXPECT_EQ(plan.baseline, 0);
  ASSERT_EQ(plan.steps.size(), 3u);
  EXPECT_EQ(assignments(plan.steps.at(0)),
            (std::vector<std::string>{"RA_MLA_MLP_ATTN_GATE=n", "RA_MLA_LATENT_DIM=32"}));
  EXPECT_EQ(plan.steps.at(0).set[1].origin, "p.yaml:4");
  EXPECT_EQ(plan.steps.at(2).rerun_of, 1);
  EXPECT_FALSE(plan.steps.at(1).rerun_of);
}

TEST(PlanFile, OfTheProjectReads) {
  const auto plan = read_plan_file(std::string(KABLATE_SOURCE_DIR) + "/defconfigs/plans", "ra-mla");
  EXPECT_EQ(plan.baseline, 0);
  ASSERT_EQ(plan.steps.size(), 6u);
  for (const std::int64_t step : {0, 1, 2, 3})
    EXPECT_EQ(plan.steps.at(step).set.size(), 3u) << "step " << step;
  EXPECT_EQ(plan.steps.at(4).rerun_of, 2);
  EXPECT_EQ(plan.steps.at(5).rerun_of, 3);
}

TEST(PlanFile, AnUpdateMayBeAShareOfTheStepsUpdates) {
  const auto at = [](const std::vector<Delta>& deltas) {
    auto settings = Settings::defaults();
    settings.set("GPT2_MAX_ITERS", "600", "test");
    const Config config = with_deltas(settings, deltas).bind();
    return std::pair{config.lora.freeze_base_at, config.mlp.unshare_at};
  };
  using Updates = std::pair<std::int64_t, std::int64_t>;
  EXPECT_EQ(at({{"LORA_FREEZE_BASE_AT", "50%", ""}}), Updates(301, 0));
  EXPECT_EQ(at({{"MLP_UNSHARE_AT", "0%", ""}, {"LORA_FREEZE_BASE_AT", "7", ""}}), Updates(7, 1));
  EXPECT_EQ(at({{"LORA_FREEZE_BASE_AT", "50%", ""}, {"GPT2_MAX_ITERS", "3", ""}}), Updates(2, 0));
  EXPECT_EQ(at({{"LORA_FREEZE_BASE_AT", "99%", ""}, {"GPT2_MAX_ITERS", "1", ""}}), Updates(1, 0));
}

std::vector<std::string> control_list(const PlanFile& plan) {
  std::vector<std::string> list;
  for (const auto& [number, control] : plan.controls)
    list.push_back(
        str(number, " ", control_name(control.kind), " ", control.of ? std::to_string(*control.of) : "-"));
  return list;
}

// The baseline and reruns get none; the numbers go on from the highest step.
TEST(PlanFile, ControlsAreOfEveryArmOrOfThoseNamed) {
  const std::string steps =
      "name: c\nbaseline: 1\nsteps: {0: {set: {}}, 1: {set: {}}, 3: {set: {}}, 9: {rerun_of: 3}}\n";
  const auto all = parse(steps + "controls: [parameters, flops, dead_twin]\n");
  EXPECT_EQ(control_list(all), (std::vector<std::string>{"10 parameters 0", "11 parameters 3", "12 flops 0",
                                                         "13 flops 3", "14 dead_twin -"}));
  EXPECT_EQ(all.steps.size(), 4u);
  const auto some = parse(steps + "controls:\n  - {dead_twin: [3, 0]}\n  - {parameters: [3]}\n  - flops\n");
  EXPECT_EQ(control_list(some), (std::vector<std::string>{"10 dead_twin 3", "11 dead_twin 0",
                                                          "12 parameters 3", "13 flops 0", "14 flops 3"}));
  EXPECT_EQ(some.controls.at(12).origin, "p.yaml:6");
  EXPECT_TRUE(parse(steps).controls.empty());
}

const BadPlan kBadPlans[] = {
    {"baseline: 0\nsteps: {0: {set: {}}}\n", {"p.yaml:1", "`name` is missing"}},
    {"name: a\nsteps: {0: {set: {}}}\n", {"p.yaml:1", "`baseline` is missing"}},
    {"name: a\nbaseline: 0\n", {"no steps"}},
    {"name: ''\nbaseline: 0\nsteps: {0: {set: {}}}\n", {"p.yaml:1", "name"}},
    {"name: a\nbaseline: 7\nsteps: {0: {set: {}}}\n", {"p.yaml:2", "baseline: 7", "the plan has 0"}},
    {"name: a\nbaseline: 1\nsteps: {0: {set: {}}, 1: {rerun_of: 0}}\n",
     {"p.yaml:2", "baseline: 1", "is a rerun"}},
    {"name: a\nbaseline: x\nsteps: {0: {set: {}}}\n", {"p.yaml:2", "baseline", "\"x\"", "whole number"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}}\ncontrol: [parameters]\n",
     {"p.yaml:4", "unknown key \"control\"", "grid, path, each, all_but, controls"}},
    {"name: a\nname: b\nbaseline: 0\nsteps: {0: {set: {}}}\n", {"p.yaml:2", "\"name\" stands twice"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  0: {set: {}}\n", {"p.yaml:5", "\"0\" stands twice"}},
    {"name: a\nbaseline: 0\nsteps:\n  00: {set: {}}\n", {"p.yaml:4", "\"00\"", "whole number"}},
    {"name: a\nbaseline: 0\nsteps:\n  -1: {set: {}}\n", {"p.yaml:4", "\"-1\""}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1: {sett: {}}\n",
     {"p.yaml:5", "unknown key \"sett\"", "set, rerun_of"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1: {}\n",
     {"p.yaml:5", "step 1", "`set` or `rerun_of`"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1:\n", {"step 1", "expected keys"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1: {set: {}, rerun_of: 0}\n",
     {"p.yaml:5", "one of them only"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1: {rerun_of: 3}\n",
     {"p.yaml:5", "rerun_of: 3", "no such step", "0, 1"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1: {rerun_of: 1}\n", {"p.yaml:5", "is a rerun itself"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1: {rerun_of: 0}\n  2: {rerun_of: 1}\n",
     {"p.yaml:6", "is a rerun itself", "step 0"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_LATENT_DIN: 3}}\n",
     {"p.yaml:4", "RA_MLA_LATENT_DIN", "did you mean RA_MLA_LATENT_DIM"}},
    {"name: a\nbaseline: 0\nsteps:\n  0:\n    set:\n      GPT2_N_LAYER: many\n",
     {"p.yaml:6", "\"many\"", "whole number"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_ATTN_GATE: true}}\n",
     {"p.yaml:4", "\"true\"", "y or n"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_TYING_MODE: tied}}\n",
     {"p.yaml:4", "tied_transpose, untied"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {GPT2_N_LAYER: [1, 2]}}\n",
     {"p.yaml:4", "GPT2_N_LAYER", "expected one value"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {GPT2_N_LAYER: }}\n",
     {"p.yaml:4", "GPT2_N_LAYER", "expected one value"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {SEEDS: 1-3}}\n", {"p.yaml:4", "SEEDS", "whole plan"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {DATASET: text}}\n", {"p.yaml:4", "DATASET", "whole plan"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {TOKENIZER: gpt2}}\n",
     {"p.yaml:4", "TOKENIZER", "whole plan"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {GPT2_N_LAYER: 1, GPT2_N_LAYER: 2}}\n",
     {"p.yaml:4", "\"GPT2_N_LAYER\" stands twice"}},
    {"name: a\nbaseline: 0\nsteps: [0, 1]\n", {"p.yaml:3", "steps", "expected keys"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols: parameters\n",
     {"p.yaml:4", "controls", "expected a list"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols:\n  - parameters\n  - params\n",
     {"p.yaml:6", "unknown kind \"params\"", "parameters, flops, dead_twin"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols: [{param: [1]}]\n",
     {"p.yaml:4", "unknown key \"param\"", "parameters, flops, dead_twin"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols: [flops, {flops: [1]}]\n",
     {"p.yaml:4", "flops stands twice"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols: [{flops: [1], parameters: [1]}]\n",
     {"p.yaml:4", "one kind"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols: [{flops: 1}]\n",
     {"p.yaml:4", "controls: flops", "expected a list"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols: [{flops: [1, 1]}]\n",
     {"p.yaml:4", "1 stands twice"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols: [{flops: [0]}]\n",
     {"p.yaml:4", "0 is no arm", "allowed: 1"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}, 2: {rerun_of: 1}}\ncontrols: [{flops: "
     "[2]}]\n",
     {"p.yaml:4", "2 is no arm", "allowed: 1"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols: [{dead_twin: [7]}]\n",
     {"p.yaml:4", "7 is no arm"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}}\ncontrols: [dead_twin]\n",
     {"p.yaml:4", "no arm beside its baseline"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}, 1: {set: {}}}\ncontrols:\n",
     {"controls", "expected a list"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}\n", {"p.yaml:3: not YAML: the { is not closed"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}}}\n", {"p.yaml:3: not YAML: has a } without its {"}},
    {"name: a\n\tbaseline: 0\n", {"p.yaml:2: not YAML: is indented with a tab"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n   1: {set: {}}\n",
     {"p.yaml:5: not YAML: is indented by 3 blanks, deeper than the line above it (2)"}},
    {"name: a\nbaseline: 0\nsteps:\n    0: {set: {}}\n  1: {set: {}}\n",
     {"p.yaml:5: not YAML: is indented by 2 blanks, as no line above it"}},
    {"name: a\nbaseline 0\nsteps: {0: {set: {}}}\n",
     {"p.yaml:2: not YAML: \"baseline 0\": the colon after the key is missing"}},
    {"name: a\nbaseline:0\nsteps: {0: {set: {}}}\n",
     {"p.yaml:2: not YAML: \"baseline:0\": a blank is missing after the colon"}},
    {"name: a: b\nbaseline: 0\n", {"p.yaml:1: not YAML: \"a: b\": a second colon"}},
    {"name: 'a\nbaseline: 0\n", {"p.yaml:1: not YAML: the quote ' is not closed"}},
    {"name: 'a\nbaseline: 0\nsteps: {0: {set: {}}}\n", {"p.yaml:1: not YAML: the quote ' is not closed"}},
    {"name: @a\nbaseline: 0\n", {"p.yaml:1: not YAML: \"@a\": begins with @", "quotes"}},
    {"name: a\nbaseline: 0\nsteps:\n  0:{set: {}}\n",
     {"p.yaml:4: not YAML: \"0:{\": a blank is missing after the colon"}},
    {"name: a\nbaseline: 0\nsteps:\n  0 {set: {}}\n",
     {"p.yaml:4: not YAML: \"0 {\": the colon after the key is missing"}},
    {"name: a\nbaseline: 0\nsteps:\n  0: {set: *b}\n",
     {"p.yaml:4: not YAML: \"*b\": begins with *", "quotes"}},
    {"name: a\nbaseline: 0\nsteps:\n  0:\xC2\xA0{set: {}}\n",
     {"p.yaml:4: not YAML: has a no-break blank (U+00A0) behind \"0:\""}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {GPT2_BIAS: n RECOMPUTE: y}}}\n",
     {"p.yaml:3: not YAML: ",
      "GPT2_BIAS: n RECOMPUTE:\": a second colon; a comma is missing before its key"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {GPT2_BIAS:n}}}\n",
     {"p.yaml:3", "\"GPT2_BIAS:n\": a blank is missing after the colon"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}}\ncontrol: [parameters]\n",
     {"p.yaml:4", "did you mean controls?"}},
    {"- 1\n- 2\n", {"p.yaml:1", "the plan", "expected keys"}},
    {"", {"p.yaml", "one YAML document"}},
    {",name: a\nbaseline: 0\nsteps: {0: {set: {}}}\n", {"p.yaml:1"}},
    {"name: a\nbaseline: 0\nsteps: {0: {set: {}}}\n---\nname: b\n", {"p.yaml", "one YAML document"}},
};

TEST(PlanFile, TakesQuotesWhereTheyStandForThemselves) {
  const std::string rest = "baseline: 0\nsteps: {0: {set: {}}}  # it's 'one\n";
  EXPECT_EQ(parse("name: don't, 'tis pre-'set\n" + rest).name, "don't, 'tis pre-'set");
  EXPECT_EQ(parse("name: \"a \\\" '\"\n" + rest).name, "a \" '");
}

TEST(PlanFile, RefusesEachMistakeWithItsLine) { expect_refused(kBadPlans); }

// What only says what runs, where, how reported would be ignored of a step: but for what is read of each
// trial.
TEST(PlanFile, AStepSetsNothingThatHoldsForAWholePlan) {
  for (const auto& field : field_values(Config{})) {
    const bool of_each_trial = field.symbol == "RA_MLA_ALLOW_NONCAUSAL" || field.symbol == "MEASURE_HEADS";
    if (field.scope != Scope::kHarness || of_each_trial) continue;
    SCOPED_TRACE(field.symbol);
    expect_error([&] { parse("name: a\nbaseline: 0\nsteps:\n  0: {set: {" + field.symbol + ": '1'}}\n"); },
                 {"p.yaml:4", field.symbol, "whole plan"});
  }
  EXPECT_EQ(parse("name: a\nbaseline: 0\nsteps:\n  0: {set: {MEASURE_HEADS: y}}\n").steps.size(), 1u);
}

TEST(PlanFile, NamesAllUnknownSymbolsAtOnce) {
  expect_error(
      [] {
        parse(
            "name: a\nbaseline: 0\nsteps:\n  0: {set: {}}\n  1: {set: {BATCH_SIZE: 3, GPT2_BIASS: y}}\n"
            "grid: {QQQQQQQQ: [1, 2]}\n");
      },
      {"p.yaml:5: 3 names are no configuration symbols: BATCH_SIZE (p.yaml:5, here it is GPT2_BATCH_SIZE), ",
       "GPT2_BIASS (p.yaml:5, did you mean GPT2_BIAS?), QQQQQQQQ (p.yaml:6)", "make menuconfig"});
  expect_error([] { parse("name: a\nbaseline: 0\nfactorial: [SWITCHY]\nsteps: {x: {set: {}}}\n"); },
               {"the step's number = \"x\""});
}

TEST(PlanFile, UnknownNameListsThoseThatThereAre) {
  const TemporaryFolder folder;
  folder.write("b.yaml", kLadder);
  folder.write("a.yaml", kLadder);
  expect_error([&] { read_plan_file(folder.path(), "c"); }, {"ABLATION_PLAN = \"c\"", "a, b"});
  expect_error([&] { read_plan_file(folder.path(), "../a"); }, {"ABLATION_PLAN", "no such file", "a, b"});
  expect_error([&] { read_plan_file(folder.path(), "~/a.yaml", "--plan"); }, {"--plan", "~ is not expanded"});
  expect_error([&] { read_plan_file(folder.path() / "none", "a"); }, {"ABLATION_PLAN", "there is none in"});
}

TEST(PlanFile, APathIsAFileAnywhere) {
  const TemporaryFolder folder;
  folder.write("mine.yaml", kLadder);
  const auto path = (folder.path() / "mine.yaml").string();
  const auto plan = read_plan_file(folder.path() / "none", path);
  EXPECT_EQ(plan.steps.size(), 3u);
  EXPECT_EQ(plan.path, path);
}

// Damaged files give one clear error each, or still a plan; never a crash.
TEST(PlanFile, SurvivesRandomDamage) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const std::string alphabet("{}[]:,\n \t'\"&*!|>%@`-#?~0y\0\xff\xe2", 31);
  int refused = 0;
  for (int round = 0; round < 1000; ++round) {
    std::string text =
        kLadder +
        "factorial: [GPT2_BIAS]\neach: [GPT2_BIAS, {QK_NORM: y}]\ncontrols: [flops, {dead_twin: [1]}]\n";
    for (int damage = 0; damage < 1 + static_cast<int>(random() % 4); ++damage) {
      const auto at = random() % text.size();
      switch (random() % 3) {
        case 0:
          text[at] = alphabet[random() % alphabet.size()];
          break;
        case 1:
          text.insert(at, 1, alphabet[random() % alphabet.size()]);
          break;
        default:
          text.erase(at, 1 + random() % 9);
      }
      if (text.empty()) break;
    }
    try {
      parse(text);
    } catch (const UserError& fault) {
      ++refused;
      EXPECT_TRUE(std::string(fault.what()).starts_with("p.yaml:")) << fault.what();
    }
  }
  EXPECT_GT(refused, 500);
  EXPECT_LT(refused, 1000);
}

}  // namespace
}  // namespace kablate
