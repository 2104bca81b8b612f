// What shared matrices and adapters come to: names, counts and work, by hand, and what stands still.
#include <cmath>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "shape/model_shape.h"
#include "shape/part_shape.h"
#include "support/core/by_hand.h"

namespace kablate {
namespace {

// The published sizes: at width 384, rank 8, MHA, gelu, factor 4, a layer's are
// 8·(384 + 1152) + 8·(384 + 384) + 8·(384 + 1536) + 8·(1536 + 384) = 49,152.
TEST(Adapters, HaveTheNamesShapesAndSizesDoneByHand) {
  const Deltas wide{
      {"GPT2_N_EMBD", "384"}, {"GPT2_N_HEAD", "6"}, {"USE_LORA_ATTN", "y"}, {"USE_LORA_MLP", "y"}};
  const Config config = configure(kByHand + wide),
               plain = configure(kByHand + Deltas{{"GPT2_N_EMBD", "384"}, {"GPT2_N_HEAD", "6"}});
  std::map<std::string, const Parameter*> found;
  const auto table = model_parameters(config);
  for (const auto& parameter : table) found[parameter.name] = &parameter;
  const auto shape = [&](const char* name) {
    return found.at(std::string("transformer.h.1.") + name)->shape;
  };
  EXPECT_EQ(shape("attn.c_attn.lora_A.weight"), (std::vector<Int>{8, 384}));
  EXPECT_EQ(shape("attn.c_attn.lora_B.weight"), (std::vector<Int>{1152, 8}));
  EXPECT_EQ(shape("mlp.c_proj.lora_A.weight"), (std::vector<Int>{8, 1536}));
  EXPECT_EQ(shape("mlp.c_proj.lora_B.weight"), (std::vector<Int>{384, 8}));
  const auto* A = found.at("transformer.h.0.mlp.c_proj.lora_A.weight");
  EXPECT_DOUBLE_EQ(A->bound, 1 / std::sqrt(1536.0));
  EXPECT_EQ(found.at("transformer.h.0.mlp.c_proj.lora_B.weight")->bound, 0);
  EXPECT_EQ(parameters_by_part(config).at("lora"), 2 * 49152);
  EXPECT_EQ(parameter_count(config) - parameter_count(plain), 2 * 49152);
  EXPECT_EQ(parameters_by_part(plain).count("lora"), 0);
  // Two operations a weight and token, three times, over 3·2·4 tokens.
  EXPECT_DOUBLE_EQ(flops_per_iteration(config) - flops_per_iteration(plain), 3.0 * 24 * 2 * 2 * 49152);
}

TEST(Adapters, StandBesidePlainLinearLayersAlone) {
  constexpr auto kAttention = std::string_view("transformer.h.0.attn.").size();
  const auto adapted = [](const Deltas& deltas) {
    std::set<std::string> names;
    for (const auto& parameter : model_parameters(configure(kByHand +
                                                            Deltas{{"ENABLE_RA_MLA", "y"},
                                                                   {"USE_LORA_ATTN", "y"},
                                                                   {"POSITIONS", "rotary"},
                                                                   {"RA_MLA_ROPE_DIM", "2"}} +
                                                            deltas)))
      if (parameter.name.starts_with("transformer.h.0.") && parameter.name.ends_with(".lora_A.weight"))
        names.insert(parameter.name.substr(kAttention, parameter.name.find(".lora_A") - kAttention));
    return names;
  };
  EXPECT_THAT(adapted({}),
              testing::ElementsAre("k_down", "k_rope", "out_proj", "q_proj", "q_rope", "v_down"));
  EXPECT_THAT(
      adapted({{"RA_MLA_SHARED_KV", "y"}, {"RA_MLA_PER_HEAD_V_UP", "n"}, {"RA_MLA_PER_HEAD_Q_LATENT", "n"}}),
      testing::ElementsAre("k_rope", "kv_down", "out_proj", "q_proj", "q_rope"));
  EXPECT_THAT(adapted({{"RA_MLA_FORM", "deepseek"}, {"RA_MLA_Q_LATENT_DIM", "4"}}),
              testing::ElementsAre("kv_a_proj_with_mqa", "o_proj", "q_a_proj", "q_b_proj"));
}

// One attention's and one MLP's maps, whatever the number of layers; norms, adapters and mechanisms each
// layer's.
TEST(SharedMatrices, AreHeldOnce) {
  const Deltas four = mechanisms(true, true, true) +
                      Deltas{{"ENABLE_RA_MLA", "y"}, {"GPT2_N_LAYER", "4"}, {"USE_LORA_MLP", "y"}};
  const Config apart = configure(kByHand + four),
               shared = configure(kByHand + four + Deltas{{"SHARE_MAIN_MATRICES", "y"}});
  const auto before = parameters_by_part(apart), after = parameters_by_part(shared);
  for (const auto& [part, count] : before)
    EXPECT_EQ(after.at(part) * (part == "attention" || part == "mlp" ? 4 : 1), count) << part;
  EXPECT_DOUBLE_EQ(flops_per_iteration(shared), flops_per_iteration(apart));
  const auto table = model_parameters(shared);
  EXPECT_EQ(table.uses.at("transformer.h.3.mlp.c_fc.weight"), "transformer.h.0.mlp.c_fc.weight");
  EXPECT_EQ(table.uses.at("transformer.h.3.attn.q_proj.weight"), "transformer.h.0.attn.q_proj.weight");
}

TEST(FrozenBase, IsEmbeddingsHeadAndMaps) {
  const Deltas base = Deltas{{"USE_LORA_MLP", "y"},
                             {"GPT2_WEIGHT_TYING", "n"},
                             {"MLP_LEARNED_WIDTH", "y"},
                             {"GPT2_BIAS", "y"},
                             {"GPT2_MAX_ITERS", "9"}};
  const auto trained = [&](const char* at) {
    std::map<std::string, std::set<bool>> by_part;
    for (const auto& parameter :
         model_parameters(configure(kByHand + base + Deltas{{"LORA_FREEZE_BASE_AT", at}})))
      by_part[parameter.name.ends_with("unit_gate") ? "gate" : parameter.part].insert(parameter.trained);
    return by_part;
  };
  const std::set<bool> all{true}, none{false};
  const auto later = trained("5"), now = trained("1");
  for (const auto& [part, which] : later) EXPECT_EQ(which, all) << part << ": not yet";
  for (const char* part : {"embedding", "attention", "mlp", "head"}) EXPECT_EQ(now.at(part), none) << part;
  for (const char* part : {"norm", "lora", "gate"}) EXPECT_EQ(now.at(part), all) << part;
}

TEST(AtUpdate, IsTheModelOfThatUpdate) {
  Config c = configure(kByHand + Deltas{{"GPT2_N_LAYER", "2"},
                                        {"MLP_SHARE_LAYERS", "2"},
                                        {"MLP_UNSHARE_AT", "4"},
                                        {"LORA_FREEZE_BASE_AT", "6"}});
  const auto said = [&](Int update) {
    const Config at = at_update(c, update);
    return std::pair{at.mlp.share_layers, at.lora.freeze_base_at};
  };
  EXPECT_EQ(said(0), std::pair(Int{2}, Int{0}));
  EXPECT_EQ(said(3), std::pair(Int{2}, Int{0}));
  EXPECT_EQ(said(4), std::pair(Int{1}, Int{0}));
  EXPECT_EQ(said(5), std::pair(Int{1}, Int{0}));
  EXPECT_EQ(said(6), std::pair(Int{1}, Int{1}));
  c.lora.freeze_base_at = 1;
  EXPECT_EQ(said(0).second, 1) << "has no moments at the start";
  EXPECT_EQ(said(1).second, 1);
}

}  // namespace
}  // namespace kablate
