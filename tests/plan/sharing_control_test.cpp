// Controls of an arm that has fewer parameters than the baseline because it shares some.
#include <cmath>

#include <gtest/gtest.h>

#include "base/text.h"
#include "plan/control.h"
#include "plan/key.h"
#include "plan/plan.h"
#include "shape/model_shape.h"
#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

const std::string kLadder =
    "name: p\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_ATTN_GATE: n}}\n  1: {set: {}}\n";

Plan plan_of(const std::string& text, const std::vector<std::string>& assignments = {}) {
  const TemporaryFolder folder;
  folder.write("p.yaml", text);
  auto settings = Settings::defaults();
  for (const auto* small :
       {"GPT2_N_HEAD=4", "GPT2_N_EMBD=128", "GPT2_BLOCK_SIZE=64", "GPT2_VOCAB_SIZE=80",
        "RA_MLA_LATENT_DIM=32", "RA_MLA_MLP_CROSS_TOKEN=n", "RA_MLA_MLP_LATENT_RECIP=n", "ABLATION_PLAN=p"})
    settings.set_assignment(small, "test");
  for (const auto& assignment : assignments) settings.set_assignment(assignment, "--set");
  return make_plan(settings, folder.path());
}

double count_of(const Config& config) { return static_cast<double>(parameter_count(config)); }

// A model that shares its MLPs has fewer parameters than the one that does not: that one with as few, by
// width and by depth, and the sharing one with as many.
TEST(Control, OfWhatIsSharedAreNarrowerShallowerAndWider) {
  for (const char* more : {"MLP_PER_HEAD=n", "MLP_PER_HEAD=y"}) {
    SCOPED_TRACE(more);
    const auto plan = plan_of(
        "name: p\nbaseline: 0\nsteps:\n  0: {set: {MLP_SHARE_LAYERS: 1}}\n  1: {set: {MLP_SHARE_LAYERS: 3}}\n"
        "controls: [narrower, shallower, wider]\n",
        {"GPT2_N_LAYER=12", "RA_MLA_MLP_ATTN_GATE=n", "RA_MLA_MLP_CROSS_TOKEN=n", "RA_MLA_MLP_LATENT_RECIP=n",
         "MLP_EXPANSION=8", more});
    EXPECT_EQ(plan.steps[2].name, "mla, narrower of 1");
    EXPECT_EQ(plan.steps[3].name, "mla, shallower of 1");
    EXPECT_EQ(plan.steps[4].name, plan.steps[1].name + ", wider of 1");
    EXPECT_NE(plan.steps[4].name.find("MLP_SHARE_LAYERS=3"), std::string::npos) << plan.steps[4].name;
    const auto count = [&](std::int64_t step) { return count_of(plan.find_step(step)->config); };
    const auto changed = [&](std::int64_t step, std::int64_t from) {
      std::vector<std::string> symbols;
      for (const auto& difference : key_differences(key_text(plan.find_step(from)->config, 0, 0, 1, {}),
                                                    key_text(plan.find_step(step)->config, 0, 0, 1, {})))
        symbols.push_back(split(difference, ' ').front());
      return join(symbols, " ");
    };
    EXPECT_LT(count(1), 0.9 * count(0));
    for (const std::int64_t step : {2, 3}) EXPECT_NEAR(count(step) / count(1), 1, 0.005) << step;
    EXPECT_NEAR(count(4) / count(0), 1, 0.005);
    EXPECT_EQ(changed(2, 0), "MLP_EXPANSION");
    EXPECT_EQ(changed(4, 1), "MLP_EXPANSION");
    EXPECT_LT(plan.find_step(2)->config.mlp_width(0), plan.find_step(0)->config.mlp_width(0));
    EXPECT_GT(plan.find_step(4)->config.mlp_width(0), plan.find_step(1)->config.mlp_width(0));
    // By hand: no other number of layers comes nearer as it is.
    const auto gap = [&](std::int64_t layers) {
      Config config = plan.find_step(0)->config;
      config.gpt.num_layers = layers;
      return std::abs(count_of(config) - count(1));
    };
    const auto found = plan.find_step(3)->config.gpt.num_layers;
    EXPECT_EQ(plan.find_step(3)->match->layers, found);
    for (std::int64_t layers = 1; layers < 12; ++layers) EXPECT_GE(gap(layers), gap(found)) << layers;
  }
}

// An arm of one layer beside twelve. One expansion written for each layer is one.
TEST(Control, OfFewerParametersSaysWhereNoneExists) {
  const auto plan_with = [](const std::string& control, const std::string& expansion) {
    const auto each = join(std::vector<std::string>(12, expansion), ",");
    return plan_of(str("name: p\nbaseline: 0\nsteps:\n  0: {set: {GPT2_N_LAYER: 12, MLP_EXPANSION: \"", each,
                       "\"}}\n  1: {set: {GPT2_N_LAYER: 1}}\ncontrols: [", control, "]\n"),
                   {"MLP_EXPANSION=" + expansion, "RA_MLA_MLP_ATTN_GATE=n"});
  };
  const auto plan = plan_with("shallower", "8");
  EXPECT_EQ(plan.steps[2].config.gpt.num_layers, 1);
  EXPECT_EQ(plan.steps[2].config.mlp.expansion.values, std::vector<double>{8});
  expect_error([&] { plan_with("narrower", "8"); },
               {"control narrower of step 1", "no width of the MLP gives the baseline ",
                " parameters: the nearest", "width 1;", "allowed: 0.5 %", "take it out of `controls`"});
  expect_error([&] { plan_with("wider", "200"); },
               {"control wider of step 1", "no width of the MLP gives the arm ", "MLP_EXPANSION = 1024"});
}

// No number of layers but one, whose MLP would have to be narrower than one unit.
TEST(Control, OfOneLayerThatIsStillTooLargeSaysSo) {
  expect_error(
      [] {
        plan_of(
            "name: p\nbaseline: 0\nsteps:\n  0: {set: {GPT2_N_LAYER: 3}}\n"
            "  1: {set: {GPT2_N_LAYER: 2, GPT2_N_EMBD: 32}}\ncontrols: [shallower]\n",
            {"RA_MLA_MLP_ATTN_GATE=n"});
      },
      {"control shallower of step 1", "with GPT2_N_LAYER = 1 no width of the MLP gives the baseline"});
}

TEST(Control, OfFewerParametersNeedsAnArmThatHasThem) {
  const auto plan = plan_of(kLadder + "controls: [{narrower: [1]}, {shallower: [1]}, {wider: [1]}]\n");
  EXPECT_EQ(plan.steps.size(), 2u);
  for (const char* kind : {"narrower", "shallower", "wider"})
    EXPECT_NE(join(plan.notes, "\n")
                  .find(str("control ", kind,
                            " of step 1 (gate), is not made: that arm has "
                            "more parameters")),
              std::string::npos)
        << kind << "\n"
        << join(plan.notes, "\n");
  expect_error(
      [] {
        plan_of(
            "name: p\nbaseline: 0\nsteps:\n  0: {set: {GPT2_N_LAYER: 1}}\n  1: {set: {MLP_EXPANSION: 1}}\n"
            "controls: [shallower]\n",
            {"RA_MLA_MLP_ATTN_GATE=n", "GPT2_N_LAYER=1"});
      },
      {"control shallower of step 1", "GPT2_N_LAYER = 1"});
}

// Depths that make no model are passed over, and lists that say one number are one number.
TEST(Control, ShallowerOfABaselineThatSharesAndOfListsOfOneNumber) {
  const std::string text =
      "name: p\nbaseline: 0\nsteps:\n  0: {set: {RA_MLA_MLP_ATTN_GATE: n}}\n"
      "  1: {set: {RA_MLA_MLP_ATTN_GATE: n, MLP_PER_HEAD: y}}\ncontrols: [shallower]\n";
  const auto cyclic =
      plan_of(text, {"GPT2_N_LAYER=8", "MLP_SHARE_LAYERS=4", "MLP_SHARE_PATTERN=cyclic", "MLP_EXPANSION=32"});
  EXPECT_EQ(cyclic.find_step(2)->config.gpt.num_layers, 4);
  const auto lists = plan_of(text, {"GPT2_N_LAYER=4", "RA_MLA_LATENT_DIM=16,16,16,16"});
  EXPECT_LT(lists.find_step(2)->config.gpt.num_layers, 4);
  EXPECT_EQ(lists.find_step(2)->config.attention.latent_dim.values, std::vector<std::int64_t>{16});
  expect_error(
      [&] {
        plan_of(text, {"GPT2_N_LAYER=4", "RA_MLA_LATENT_DIM=16,16,8,16"});
      },
      {"RA_MLA_LATENT_DIM differs by layer"});
  expect_error(
      [&] {
        plan_of(text, {"GPT2_N_LAYER=4", "MLP_SHARE_LAYERS=8", "MLP_SHARE_PATTERN=cyclic"});
      },
      {"MLP_SHARE_LAYERS = 8", "GPT2_N_LAYER = 4"});
}

}  // namespace
}  // namespace kablate
