// What the choices of an MLP come to: names, counts, work and memory, by hand.
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shape/model_shape.h"
#include "shape/part_shape.h"
#include "support/core/by_hand.h"

namespace kablate {
namespace {

TEST(ModelParameters, HaveTheNamesAndShapesOfTheMlps) {
  using testing::Pair;
  const auto mlp_of = [](const Deltas& deltas) {
    std::map<std::string, std::vector<Int>> found;
    for (const auto& parameter : model_parameters(configure(kByHand + deltas)))
      if (parameter.part == Part::kMlp) found[parameter.name] = parameter.shape;
    return found;
  };
  const std::string a = "transformer.h.0.mlp.", b = "transformer.h.1.mlp.";
  const Deltas swiglu{{"GPT2_ACTIVATION", "swiglu"}, {"GPT2_BIAS", "y"}};
  EXPECT_THAT(
      mlp_of(swiglu + Deltas{{"MLP_SHARE_LAYERS", "2"}, {"MLP_EXPANSION", "3"}}),
      testing::ElementsAre(
          Pair(a + "c_fc.bias", std::vector<Int>{24}), Pair(a + "c_fc.weight", std::vector<Int>{24, 8}),
          Pair(a + "c_gate.bias", std::vector<Int>{24}), Pair(a + "c_gate.weight", std::vector<Int>{24, 8}),
          Pair(a + "c_proj.bias", std::vector<Int>{8}), Pair(a + "c_proj.weight", std::vector<Int>{8, 24})));
  EXPECT_THAT(mlp_of(swiglu + Deltas{{"MLP_PER_HEAD", "y"}, {"MLP_EXPANSION", "0,3"}}),
              testing::ElementsAre(Pair(b + "c_fc_heads", std::vector<Int>{2, 12, 4}),
                                   Pair(b + "c_fc_heads_bias", std::vector<Int>{2, 12}),
                                   Pair(b + "c_gate_heads", std::vector<Int>{2, 12, 4}),
                                   Pair(b + "c_gate_heads_bias", std::vector<Int>{2, 12}),
                                   Pair(b + "c_proj_heads", std::vector<Int>{2, 4, 12}),
                                   Pair(b + "c_proj_heads_bias", std::vector<Int>{2, 4})));
  EXPECT_THAT(mlp_of({{"MLP_PER_HEAD", "y"}, {"MLP_SHARE_HEADS", "2"}, {"MLP_SHARE_LAYERS", "2"}}),
              testing::ElementsAre(Pair(a + "c_fc_heads", std::vector<Int>{1, 16, 4}),
                                   Pair(a + "c_proj_heads", std::vector<Int>{1, 4, 16})));
}

TEST(ModelParameters, HoldTheGatesOfALearnedWidthForEachLayer) {
  const Config config = configure(kByHand + Deltas{{"MLP_LEARNED_WIDTH", "y"}, {"MLP_SHARE_LAYERS", "2"}});
  const auto table = model_parameters(config);
  EXPECT_EQ(std::count_if(table.begin(), table.end(),
                          [](const Parameter& p) {
                            return p.name.ends_with("mlp.unit_gate") && p.shape == std::vector<Int>{32} &&
                                   p.mean == 0 && p.deviation == 0;
                          }),
            2);
  EXPECT_EQ(parameters_by_part(config).at("mlp"), 2 * 8 * 32 + 2 * 32);
}

// What a block hands up is as wide as the latent keys of the block above.
TEST(ModelParameters, CoupleLatentsOfUnequalWidths) {
  const Deltas mla{{"ENABLE_RA_MLA", "y"}, {"RA_MLA_LATENT_DIM", "3,5,2"}, {"GPT2_N_LAYER", "3"}},
      untied{{"RA_MLA_MLP_TYING_MODE", "untied"}, {"RA_MLA_MLP_LATENT_DIM", "7"}};
  std::map<std::string, std::vector<Int>> couplers;
  for (const auto& parameter :
       model_parameters(configure(kByHand + mla + mechanisms(false, false, true) + untied)))
    if (const auto at = parameter.name.find("mlp.coupler."); at != std::string::npos)
      couplers[parameter.name.substr(std::string("transformer.h.").size())] = parameter.shape;
  EXPECT_THAT(couplers, testing::ElementsAre(
                            testing::Pair("0.mlp.coupler.attn_to_mlp.weight", std::vector<Int>{32, 3}),
                            testing::Pair("0.mlp.coupler.mlp_down.weight", std::vector<Int>{7, 32}),
                            testing::Pair("0.mlp.coupler.mlp_to_attn.weight", std::vector<Int>{5, 7}),
                            testing::Pair("1.mlp.coupler.attn_to_mlp.weight", std::vector<Int>{32, 5}),
                            testing::Pair("1.mlp.coupler.mlp_down.weight", std::vector<Int>{7, 32}),
                            testing::Pair("1.mlp.coupler.mlp_to_attn.weight", std::vector<Int>{2, 7}),
                            testing::Pair("2.mlp.coupler.attn_to_mlp.weight", std::vector<Int>{32, 2})));
}

// No norm, no map of a mechanism, no context for the block above: it computes as block 0 does.
TEST(ModelParameters, LackAllOfALayerThatHasNoMlp) {
  const Deltas mla{{"ENABLE_RA_MLA", "y"}, {"RA_MLA_LATENT_DIM", "3"}, {"GPT2_N_LAYER", "3"}};
  const Config config =
      configure(kByHand + mla + mechanisms(true, true, true) + Deltas{{"MLP_EXPANSION", "4,0,4"}});
  std::set<std::string> of_layer;
  for (const auto& parameter : model_parameters(config))
    if (parameter.name.starts_with("transformer.h.1.") && parameter.part != Part::kAttention)
      of_layer.insert(parameter.name);
  EXPECT_THAT(of_layer, testing::ElementsAre("transformer.h.1.ln_1.weight"));
  const ModelSpec spec(config);
  EXPECT_TRUE(spec.layers[1].receives_context && spec.layers[0].makes_context);
  EXPECT_FALSE(spec.layers[2].receives_context || spec.layers[1].makes_context);
}

TEST(Flops, OfTheMlpsEqualTheSumDoneByHand) {
  // An iteration is forward and twice that backward, of 3·2·4 tokens. Beside the MLPs: two layers of c_attn
  // 2·8·24, c_proj 2·8·8, scores and values 2·2·8·4/2 (causal); the head 2·8·10.
  const auto of_mlps = [](const Deltas& deltas) {
    return flops_per_iteration(configure(kByHand + deltas)) / (3 * 2 * 4) / 3 - 2 * (384 + 128 + 64) - 160;
  };
  EXPECT_DOUBLE_EQ(of_mlps({{"GPT2_ACTIVATION", "relu2"}}), 2 * 1024);
  EXPECT_DOUBLE_EQ(of_mlps({{"GPT2_ACTIVATION", "swiglu"}}), 2 * 1536);
  EXPECT_DOUBLE_EQ(of_mlps({{"MLP_EXPANSION", "0,3"}}), 2 * 2 * 8 * 24);
  EXPECT_DOUBLE_EQ(of_mlps({{"MLP_SHARE_LAYERS", "2"}}), 2 * 1024) << "who holds a map changes no work";
  const double by_head = 2 * 2 * (2 * 2 * 4 * 16);  // two layers, two heads, 4 to 16 and back
  EXPECT_DOUBLE_EQ(of_mlps({{"MLP_PER_HEAD", "y"}}), by_head);
  EXPECT_DOUBLE_EQ(of_mlps({{"MLP_PER_HEAD", "y"}, {"MLP_SHARE_HEADS", "2"}, {"MLP_SHARE_LAYERS", "2"}}),
                   by_head);
}

// For k layers and m heads, those of no sharing divided by k·m; for all of them, one MLP.
TEST(ParameterCount, OfSharedMlpsIsDividedByWhoShares) {
  const auto mlp = [](const char* layers, const char* heads) {
    return parameters_by_part(
               configure({{"MLP_PER_HEAD", "y"}, {"MLP_SHARE_LAYERS", layers}, {"MLP_SHARE_HEADS", heads}}))
        .at("mlp");
  };
  const Int all = mlp("1", "1"), D = 64;
  EXPECT_EQ(mlp("2", "2"), all / 4);
  EXPECT_EQ(mlp("3", "1"), all / 3);
  EXPECT_EQ(mlp("12", "12"), 2 * D * 4 * D + 4 * D + D) << "one MLP of one head, with its biases";
  EXPECT_EQ(mlp("12", "12"), all / 144);
}

// float32, a token: of gelu kept are x·c_fc and u, 32 each; swiglu's gate too.
TEST(Memory, OfTheMlpsEqualsTheSumDoneByHand) {
  const auto kept = [](const Deltas& deltas) {
    double bytes = 0;
    for (const auto& layer : ModelSpec(configure(kByHand + deltas)).layers)
      for (const auto& part : layer_parts(layer)) bytes += part.activations.mlp_kept;
    return bytes;
  };
  const double gelu = kept({});
  EXPECT_DOUBLE_EQ(kept({{"GPT2_ACTIVATION", "relu2"}}), gelu);
  EXPECT_DOUBLE_EQ(kept({{"GPT2_ACTIVATION", "swiglu"}}) - gelu, 2 * 4 * 32);
  EXPECT_DOUBLE_EQ(gelu - kept({{"MLP_EXPANSION", "4,0"}}), 4 * (2 * 32 + 8 + 2 + 8)) << "and the norm's";
  EXPECT_DOUBLE_EQ(kept({{"MLP_SHARE_LAYERS", "2"}}), gelu) << "values are each layer's own";
  EXPECT_DOUBLE_EQ(kept({{"MLP_PER_HEAD", "y"}}), gelu);
  EXPECT_DOUBLE_EQ(kept({{"MLP_LEARNED_WIDTH", "y"}}), gelu) << "u before its gates is made again";
  const Deltas lora{{"USE_LORA_MLP", "y"}, {"LORA_RANK", "3"}};
  EXPECT_DOUBLE_EQ(kept(lora) - gelu, 2 * 2 * 4 * 3) << "A·x of two maps in two layers";
  EXPECT_DOUBLE_EQ(kept(lora + Deltas{{"LORA_DROPOUT", "0.5"}}) - kept(lora), 2 * 4 * 2 * (8 + 32))
      << "a mask and what it leaves of both inputs";
}

// Two layers of a router [4, 8] and four MLPs of 2·8·32; a token goes through one of them, or two.
TEST(Experts, HaveTheParametersWorkAndMemoryDoneByHand) {
  const auto with = [](const char* top, const Deltas& more = {}) {
    return configure(kByHand + Deltas{{"MLP_EXPERTS", "4"}, {"MLP_EXPERTS_TOP", top}} + more);
  };
  const Config dense = configure(kByHand);
  const Int mlp = 512, router = 32;
  for (const auto* top : {"1", "2"}) {
    const Int k = *top - '0';
    EXPECT_EQ(parameters_by_part(with(top)).at("mlp"), 2 * (router + 4 * mlp));
    EXPECT_EQ(active_parameter_count(with(top)), parameter_count(dense) + 2 * (router + (k - 1) * mlp));
    const auto tokens = static_cast<double>(3 * dense.tokens_per_iteration());
    EXPECT_DOUBLE_EQ((flops_per_iteration(with(top)) - flops_per_iteration(dense)) / tokens,
                     static_cast<double>(2 * 2 * (router + (k - 1) * mlp)));
  }
  EXPECT_EQ(active_parameter_count(dense), parameter_count(dense));
  EXPECT_EQ(parameters_by_part(with("1", {{"MLP_SHARE_LAYERS", "2"}})).at("mlp"), router + 4 * mlp);
  const auto kept = [](const Config& config) {
    double bytes = 0;
    for (const auto& layer : ModelSpec(config).layers)
      for (const auto& part : layer_parts(layer)) bytes += part.activations.mlp_kept;
    return bytes;
  };
  // Beside the hidden values of one MLP its sorted input and what it gives, p of four, a weight and its
  // probability, a choice and both orders.
  EXPECT_DOUBLE_EQ(kept(with("1")) - kept(dense), 2 * (4 * (8 + 8) + 4 * (4 + 2) + 3 * 8));
  EXPECT_DOUBLE_EQ(kept(with("2")) - kept(with("1")), 2 * (4 * (8 + 8 + 2 * 32) + 4 * 2 + 3 * 8));
}

TEST(Experts, AreNamedByTheirNumbers) {
  const auto table =
      model_parameters(configure(kByHand + Deltas{{"MLP_EXPERTS", "2"}, {"MLP_EXPANSION", "4,0"}}));
  std::vector<std::string> names;
  for (const auto& parameter : table)
    if (parameter.name.find(".mlp.") != std::string::npos) names.push_back(parameter.name);
  const std::string mlp = "transformer.h.0.mlp.";
  EXPECT_EQ(names, (std::vector<std::string>{mlp + "router.weight", mlp + "experts.0.c_fc.weight",
                                             mlp + "experts.0.c_proj.weight", mlp + "experts.1.c_fc.weight",
                                             mlp + "experts.1.c_proj.weight"}));
  for (const auto& parameter : table)
    if (parameter.name.find(".mlp.") != std::string::npos) {
      EXPECT_DOUBLE_EQ(parameter.deviation, parameter.name.ends_with("c_proj.weight") ? 0.02 / 2 : 0.02)
          << parameter.name;
    }
}

TEST(Owners, AreTheLowestLayersOfAKey) {
  const auto owners = [](const char* layers, const char* pattern) {
    std::string text;
    for (const auto& layer :
         ModelSpec(
             configure({{"GPT2_N_LAYER", "6"}, {"MLP_SHARE_LAYERS", layers}, {"MLP_SHARE_PATTERN", pattern}}))
             .layers)
      text += std::to_string(layer.mlp_owner);
    return text;
  };
  EXPECT_EQ(owners("1", "adjacent"), "012345");
  EXPECT_EQ(owners("2", "adjacent"), "002244");
  EXPECT_EQ(owners("2", "cyclic"), "012012");
  EXPECT_EQ(owners("3", "cyclic"), "010101");
  EXPECT_EQ(owners("6", "cyclic"), "000000");
}

}  // namespace
}  // namespace kablate
