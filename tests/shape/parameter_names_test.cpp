// The names and shapes of parameters as checkpoints have them (spec, section 5).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shape/model_shape.h"
#include "support/configure.h"

namespace kablate {
namespace {

// E 8, H 2, D 4, L 3, F 32, G 5, V 10, T 4
const Deltas kNamedByHand = {{"GPT2_N_LAYER", "2"},        {"GPT2_N_HEAD", "2"},
                             {"GPT2_N_EMBD", "8"},         {"GPT2_BLOCK_SIZE", "4"},
                             {"GPT2_VOCAB_SIZE", "10"},    {"RA_MLA_LATENT_DIM", "3"},
                             {"RA_MLA_MLP_GATE_DIM", "5"}, {"GPT2_BIAS", "n"}};

std::map<std::string, std::vector<std::int64_t>> shapes(const Config& config) {
  std::map<std::string, std::vector<std::int64_t>> found;
  for (const auto& parameter : model_parameters(config))
    EXPECT_TRUE(found.emplace(parameter.name, parameter.shape).second) << parameter.name << " stands twice";
  return found;
}

using Shapes = std::map<std::string, std::vector<std::int64_t>>;

TEST(ModelParameters, HaveTheNamesAndShapesOfCheckpoints) {
  const std::string a = "transformer.h.0.", b = "transformer.h.1.";
  Shapes expected = {{"transformer.wte.weight", {10, 8}},
                     {"transformer.wpe.weight", {4, 8}},
                     {"transformer.ln_f.weight", {8}}};
  for (const auto& block : {a, b})
    for (const auto& [name, shape] : Shapes{{"ln_1.weight", {8}},
                                            {"ln_2.weight", {8}},
                                            {"attn.q_proj.weight", {8, 8}},
                                            {"attn.k_down.weight", {3, 8}},
                                            {"attn.v_down.weight", {3, 8}},
                                            {"attn.q_to_latent", {2, 4, 3}},
                                            {"attn.v_up", {2, 3, 4}},
                                            {"attn.out_proj.weight", {8, 8}},
                                            {"mlp.c_fc.weight", {32, 8}},
                                            {"mlp.c_proj.weight", {8, 32}},
                                            {"mlp.cross_proj.weight", {32, 32}},
                                            {"mlp.coupler.W", {32, 3}}})
      expected[block + name] = shape;
  expected[a + "mlp.gate_proj.weight"] = {5, 32};
  expected[a + "mlp.gate_to_heads.weight"] = {2, 5};
  EXPECT_EQ(shapes(configure(kNamedByHand + mechanisms(true, true, true))), expected);
}

TEST(ModelParameters, HaveTheNamesAndShapesOfTheOtherSwitches) {
  using testing::AllOf;
  using testing::Contains;
  using testing::Pair;
  const std::string b = "transformer.h.0.";
  const auto with = [&](const Deltas& deltas) { return shapes(configure(kNamedByHand + deltas)); };
  const auto holds = [](const std::string& name, std::vector<std::int64_t> shape) {
    return Contains(Pair(name, shape));
  };
  const Deltas off = mechanisms(false, false, false), recip = mechanisms(false, false, true);
  EXPECT_THAT(
      with(off + Deltas{{"ENABLE_RA_MLA", "n"}, {"GPT2_BIAS", "y"}, {"NORM_PLACEMENT", "hybrid"}}),
      AllOf(holds(b + "attn.c_attn.weight", {24, 8}), holds(b + "attn.c_attn.bias", {24}),
            holds(b + "attn.c_proj.weight", {8, 8}), holds(b + "attn.c_proj.bias", {8}),
            holds(b + "mlp.c_fc.bias", {32}), holds(b + "mlp.c_proj.bias", {8}), holds(b + "ln_1.bias", {8}),
            holds(b + "ln_2_post.weight", {8}), holds("transformer.ln_f.bias", {8})));
  const Deltas shared{
      {"RA_MLA_SHARED_KV", "y"}, {"RA_MLA_PER_HEAD_Q_LATENT", "n"}, {"RA_MLA_PER_HEAD_V_UP", "n"}};
  EXPECT_THAT(
      with(off + shared + Deltas{{"GPT2_WEIGHT_TYING", "n"}}),
      AllOf(holds(b + "attn.kv_down.weight", {3, 8}), holds(b + "attn.q_to_latent_shared.weight", {3, 4}),
            holds(b + "attn.v_up_shared.weight", {4, 3}), holds("lm_head.weight", {10, 8})));
  EXPECT_THAT(with(recip + Deltas{{"RA_MLA_MLP_TYING_MODE", "untied"}}),
              AllOf(holds(b + "mlp.coupler.attn_to_mlp.weight", {32, 3}),
                    holds(b + "mlp.coupler.mlp_to_attn.weight", {3, 32})));
  EXPECT_THAT(with(recip + Deltas{{"RA_MLA_MLP_TYING_MODE", "untied"}, {"RA_MLA_MLP_LATENT_DIM", "7"}}),
              AllOf(holds(b + "mlp.coupler.mlp_down.weight", {7, 32}),
                    holds(b + "mlp.coupler.mlp_to_attn.weight", {3, 7})));
  EXPECT_THAT(with(recip + Deltas{{"RA_MLA_MLP_TYING_MODE", "per_head_scalar"}, {"RA_MLA_LATENT_DIM", "4"}}),
              AllOf(holds(b + "mlp.coupler.alpha_attn_to_mlp", {2}),
                    holds(b + "mlp.coupler.alpha_mlp_to_attn", {2})));
  EXPECT_THAT(with(mechanisms(false, true, false) + Deltas{{"RA_MLA_MLP_CROSS_RANK", "6"}}),
              AllOf(holds(b + "mlp.cross_down.weight", {6, 32}), holds(b + "mlp.cross_up.weight", {32, 6})));
}

TEST(ModelParameters, HaveThoseOfTheirNormsPositionsAndHeadsOfKeysAlone) {
  const Deltas mha = mechanisms(false, false, false) + Deltas{{"ENABLE_RA_MLA", "n"}, {"GPT2_BIAS", "y"}};
  const auto names = [&](const Deltas& deltas) { return shapes(configure(kNamedByHand + mha + deltas)); };
  const auto of_norms = [&](const Deltas& deltas) {
    std::string found;
    for (const auto& [name, shape] : names(deltas + Deltas{{"GPT2_N_LAYER", "1"}}))
      if (name.find("ln_") != std::string::npos) found += name.substr(name.find("ln_")) + " ";
    return found;
  };
  EXPECT_EQ(of_norms({}), "ln_1.bias ln_1.weight ln_2.bias ln_2.weight ln_f.bias ln_f.weight ");
  EXPECT_EQ(of_norms({{"NORM_KIND", "rmsnorm"}}), "ln_1.weight ln_2.weight ln_f.weight ");
  EXPECT_EQ(of_norms({{"NORM_AFFINE", "n"}, {"NORM_PLACEMENT", "hybrid"}}), "");
  EXPECT_EQ(names({}).count("transformer.wpe.weight"), 1u);
  EXPECT_EQ(names({{"POSITIONS", "none"}}).count("transformer.wpe.weight"), 0u);
  EXPECT_EQ(names({{"POSITIONS", "rotary"}}).count("transformer.wpe.weight"), 0u);
  const auto grouped = names({{"GPT2_N_KV_HEAD", "1"}, {"QK_NORM", "y"}});
  EXPECT_EQ(grouped.at("transformer.h.0.attn.c_attn.weight"), (std::vector<std::int64_t>{8 + 2 * 4, 8}));
  EXPECT_EQ(grouped.at("transformer.h.0.attn.c_attn.bias"), (std::vector<std::int64_t>{8 + 2 * 4}));
  EXPECT_EQ(grouped.size(), names({}).size());
}

TEST(ModelParameters, HaveThoseOfTheirFormOfLatentAttention) {
  const std::string b = "transformer.h.0.attn.";
  const auto of_attention = [&](const Deltas& deltas) {
    Shapes found;
    for (const auto& [name, shape] :
         shapes(configure(kNamedByHand + mechanisms(false, false, false) + deltas)))
      if (name.starts_with(b)) found[name.substr(b.size())] = shape;
    return found;
  };
  const Deltas rotary{{"POSITIONS", "rotary"}, {"RA_MLA_ROPE_DIM", "6"}},
      deepseek{{"RA_MLA_FORM", "deepseek"}}, slice{{"RA_MLA_LATENT_SOURCE", "slice"}},
      normed{{"RA_MLA_LATENT_NORM", "y"}};
  const Shapes up{{"q_proj.weight", {8, 8}},
                  {"q_to_latent", {2, 4, 3}},
                  {"v_up", {2, 3, 4}},
                  {"out_proj.weight", {8, 8}}};
  const auto with = [](Shapes some, const Shapes& more) {
    for (const auto& [name, shape] : more) some[name] = shape;
    return some;
  };
  EXPECT_EQ(of_attention(slice), up);
  const Deltas shared{{"RA_MLA_SHARED_KV", "y"}};
  EXPECT_EQ(of_attention(slice + shared + normed), with(up, {{"kv_norm.weight", {3}}}));
  EXPECT_EQ(of_attention(slice + normed), with(up, {{"k_norm.weight", {3}}, {"v_norm.weight", {3}}}));
  const Shapes mapped = with(up, {{"k_down.weight", {3, 8}}, {"v_down.weight", {3, 8}}});
  EXPECT_EQ(of_attention(normed), with(mapped, {{"k_norm.weight", {3}}, {"v_norm.weight", {3}}}));
  EXPECT_EQ(of_attention(rotary), with(mapped, {{"q_rope.weight", {12, 8}}, {"k_rope.weight", {6, 8}}}));

  const Shapes both{{"kv_a_layernorm.weight", {3}}, {"kv_b_proj.weight", {16, 3}}, {"o_proj.weight", {8, 8}}};
  EXPECT_EQ(of_attention(deepseek),
            with(both, {{"q_proj.weight", {8, 8}}, {"kv_a_proj_with_mqa.weight", {3, 8}}}));
  EXPECT_EQ(of_attention(deepseek + slice), with(both, {{"q_proj.weight", {8, 8}}}));
  EXPECT_EQ(of_attention(deepseek + rotary + Deltas{{"RA_MLA_Q_LATENT_DIM", "5"}}),
            with(both, {{"q_a_proj.weight", {5, 8}},
                        {"q_a_layernorm.weight", {5}},
                        {"q_b_proj.weight", {20, 5}},
                        {"kv_a_proj_with_mqa.weight", {9, 8}}}));
  EXPECT_EQ(of_attention(deepseek + rotary + slice).at("kv_a_proj_with_mqa.weight"),
            (std::vector<std::int64_t>{6, 8}));
}

TEST(ModelParameters, OfFrozenMapsAreCountedButNotTrained) {
  const Config config =
      configure(kNamedByHand + mechanisms(false, false, false) + Deltas{{"RA_MLA_LATENT_SOURCE", "frozen"}});
  EXPECT_EQ(parameter_count(config) - trained_parameter_count(config), 2 * 2 * 3 * 8);
  for (const auto& parameter : model_parameters(config))
    EXPECT_EQ(parameter.trained, parameter.name.find("_down") == std::string::npos) << parameter.name;
}

// GPT2_BIAS never reaches MLA's maps or the mechanisms'.
TEST(ModelParameters, HaveBiasesWhereTheSpecificationAllowsThem) {
  const Deltas biased{{"GPT2_BIAS", "y"}};
  for (const auto& [name, shape] : shapes(configure(kNamedByHand + mechanisms(true, true, true) + biased)))
    EXPECT_THAT(name, testing::ContainsRegex("weight$|attn.q_to_latent$|attn.v_up$|coupler.W$|"
                                             "(ln_1|ln_2|ln_f|mlp.c_fc|mlp.c_proj).bias$"));
}

}  // namespace
}  // namespace kablate
