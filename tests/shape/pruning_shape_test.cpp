// What PRUNE may prune, what it leaves and what it keeps, done by hand.
#include <gtest/gtest.h>

#include <set>

#include "config/config.h"
#include "shape/model_shape.h"
#include "support/core/by_hand.h"
#include "support/core/expect_error.h"

namespace kablate {
namespace {

using testing_support::expect_error;

// AdamW waits for nothing: after updates 2, 4, 6 sparsities of 0, 7/8 and all of 0.3.
const Deltas kPruned =
    kByHand + Deltas{{"PRUNE", "magnitude"}, {"PRUNE_SPARSITY", "0.3"}, {"PRUNE_BEGIN", "2"},
                     {"PRUNE_END", "6"},     {"PRUNE_INTERVAL", "2"},   {"OPTIMIZER", "adamw"},
                     {"GPT2_MAX_ITERS", "9"}};

std::set<std::string> prunable(const Deltas& deltas) {
  std::set<std::string> names;
  for (const auto& parameter : model_parameters(configure(deltas)))
    if (parameter.prunable()) names.insert(parameter.name);
  return names;
}

std::set<std::string> of_layer(const std::set<std::string>& names, const std::string& layer) {
  std::set<std::string> found;
  for (const auto& name : names)
    if (name.starts_with(layer)) found.insert(name.substr(layer.size()));
  return found;
}

TEST(Prunable, IsEveryMapOfALayerAndNothingElse) {
  const auto names = prunable(kByHand + Deltas{{"GPT2_WEIGHT_TYING", "n"},
                                               {"GPT2_BIAS", "y"},
                                               {"USE_LORA_ATTN", "y"},
                                               {"USE_LORA_MLP", "y"},
                                               {"MLP_LEARNED_WIDTH", "y"}});
  const std::set<std::string> maps{"attn.c_attn.weight", "attn.c_proj.weight", "mlp.c_fc.weight",
                                   "mlp.c_proj.weight"};
  EXPECT_EQ(of_layer(names, "transformer.h.0."), maps);
  EXPECT_EQ(of_layer(names, "transformer.h.1."), maps);
  EXPECT_EQ(names.size(), 8u) << "no embedding, head, bias, norm, gate or adapter";
  const auto heads = prunable(kByHand + Deltas{{"MLP_PER_HEAD", "y"}, {"GPT2_BIAS", "y"}});
  EXPECT_TRUE(heads.contains("transformer.h.0.mlp.c_fc_heads"));
  EXPECT_FALSE(heads.contains("transformer.h.0.mlp.c_fc_heads_bias")) << "a matrix of biases";
  const auto all = prunable(kByHand + Deltas{{"ENABLE_RA_MLA", "y"}, {"RA_MLA_LATENT_DIM", "4"}} +
                            mechanisms(true, true, true));
  for (const char* name : {"attn.q_to_latent", "attn.v_up", "mlp.gate_proj.weight",
                           "mlp.gate_to_heads.weight", "mlp.cross_proj.weight", "mlp.coupler.W"})
    EXPECT_TRUE(all.contains(std::string("transformer.h.0.") + name)) << name;
}

TEST(Prunable, IsNoRouterAndNoCritic) {
  EXPECT_FALSE((Parameter{.name = "transformer.h.0.mlp.router.weight", .shape = {4, 8}, .part = Part::kMlp}
                    .prunable()));
  EXPECT_TRUE(
      (Parameter{.name = "transformer.h.0.mlp.experts.1.c_fc.weight", .shape = {4, 8}, .part = Part::kMlp}
           .prunable()));
  const auto masked = prunable(kByHand + Deltas{{"OBJECTIVE", "masked_token"},
                                                {"ATTENTION_DIRECTION", "bidirectional"},
                                                {"CRITIC", "y"}});
  EXPECT_FALSE(masked.contains("critic.weight"));
}

TEST(Prunable, IsWhatTrains) {
  const Deltas frozen{{"ENABLE_RA_MLA", "y"}, {"RA_MLA_LATENT_DIM", "4"}, {"RA_MLA_LATENT_SOURCE", "frozen"}};
  const auto names = prunable(kByHand + frozen);
  EXPECT_FALSE(names.contains("transformer.h.0.attn.k_down.weight")) << "keeps its initial values";
  EXPECT_TRUE(names.contains("transformer.h.0.attn.q_proj.weight"));
  EXPECT_EQ(prunable(kByHand + Deltas{{"LORA_FREEZE_BASE_AT", "1"}, {"USE_LORA_MLP", "y"}}),
            std::set<std::string>{});
}

// Of layers of maps of 192, 64, 256 and 256 entries 57, 19, 76 and 76 are lost.
TEST(NonzeroParameters, AreThoseDoneByHand) {
  const Int all = parameter_count(configure(kPruned));
  EXPECT_EQ(nonzero_parameter_count(configure(kPruned)), all - 2 * (57 + 19 + 76 + 76));
  EXPECT_EQ(nonzero_parameter_count(configure(kPruned + Deltas{{"PRUNE", "none"}})), all);
  const Config shared = configure(kPruned + Deltas{{"SHARE_MAIN_MATRICES", "y"}});
  EXPECT_EQ(nonzero_parameter_count(shared), parameter_count(shared) - (57 + 19 + 76 + 76)) << "once";
}

// Layers that part have lost as much each; what stands still from update 5 on has lost 7/8 of 0.3: 50, 16, 67
// and 67.
TEST(NonzeroParameters, FollowTheModelThatTrains) {
  const Deltas sharing{{"MLP_SHARE_LAYERS", "2"}};
  const Config parting = configure(kPruned + sharing + Deltas{{"MLP_UNSHARE_AT", "5"}});
  EXPECT_EQ(nonzero_parameter_count(parting), nonzero_parameter_count(configure(kPruned)));
  const Int all = parameter_count(configure(kPruned));
  const auto freezing = [](const char* at) {
    return configure(kPruned + Deltas{{"LORA_FREEZE_BASE_AT", at}});
  };
  EXPECT_EQ(nonzero_parameter_count(freezing("5")), all - 2 * (50 + 16 + 67 + 67));
  EXPECT_EQ(nonzero_parameter_count(freezing("7")), all - 2 * (57 + 19 + 76 + 76));
  EXPECT_EQ(nonzero_parameter_count(freezing("4")), all) << "before the first";
}

TEST(Pruning, ThatTakesNothingIsRefused) {
  EXPECT_NO_THROW(check_prunes(configure(kPruned)));
  EXPECT_NO_THROW(check_prunes(configure(kByHand)));
  for (const char* at : {"1", "4"})
    expect_error(
        [&] {
          check_prunes(configure(kPruned + Deltas{{"LORA_FREEZE_BASE_AT", at}}));
        },
        {"PRUNE_BEGIN = 2", std::string("LORA_FREEZE_BASE_AT = ") + at, "no map", "pruned first"});
  EXPECT_NO_THROW(check_prunes(configure(kPruned + Deltas{{"LORA_FREEZE_BASE_AT", "5"}})));
  expect_error(
      [&] {
        check_prunes(configure(kPruned + Deltas{{"PRUNE_SPARSITY", "0.003"}}));
      },
      {"PRUNE_SPARSITY = 0.003", "no map"});
  EXPECT_NO_THROW(check_prunes(configure(kPruned + Deltas{{"PRUNE_SPARSITY", "0.004"}}))) << "1.02 of 256";
}

// One token at a time the peak is behind the update: weights, two moments, gradients, a byte for each of the
// 1536 entries of maps, and the scores of 256, in float64.
TEST(PruningMemory, IsAByteAnEntryAndTheScoresOfTheLargestMap) {
  const Deltas one_token{
      {"GPT2_BLOCK_SIZE", "1"}, {"GPT2_BATCH_SIZE", "1"}, {"GPT2_GRADIENT_ACCUMULATION", "1"}};
  const Int parameters = 10 * 8 + 8 + 2 * 768 + 5 * 8;
  EXPECT_EQ(peak_tensor_bytes(configure(kPruned + one_token)), 4 * 4 * parameters + 1536 + 8 * 256);
  // Of many tokens it is in the backward pass, where the masks stand by.
  const Deltas many{{"GPT2_BATCH_SIZE", "300"}};
  EXPECT_EQ(peak_tensor_bytes(configure(kPruned + many)) -
                peak_tensor_bytes(configure(kPruned + many + Deltas{{"PRUNE", "none"}})),
            1536);
}

}  // namespace
}  // namespace kablate
