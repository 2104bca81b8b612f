// Adapters that are never added or not nothing at the start, and maps that move although they are frozen, are
// caught; so are main matrices that layers do not share.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "audit/gates.h"
#include "shape/model_shape.h"
#include "support/engine/audited.h"

namespace kablate {
namespace {

const Deltas kPlain = mechanisms(false, false, false),
             kLora = kPlain + Deltas{{"USE_LORA_ATTN", "y"}, {"USE_LORA_MLP", "y"}},
             kShared = kPlain + Deltas{{"SHARE_MAIN_MATRICES", "y"}},
             kFrozen = kLora + Deltas{{"LORA_FREEZE_BASE_AT", "7"}};

TEST(AdapterGate, IsAskedWhereThereAreAdapters) {
  EXPECT_EQ(detail(audit(small_config(kPlain)), "adapters"), "");
  EXPECT_EQ(detail(audit(small_config(kLora)), "adapters"),
            "18 adapters change nothing at the start, to the bit, and the logits once trained");
  EXPECT_EQ(detail(audit(small_config(kLora)), "freezing"), "");
}

// Dropout of the adapters alone, sharing that ends before the freeze, keys and values of one shared latent.
TEST(AdapterGate, AndAllOthersPassBesideOtherChoices) {
  for (const Deltas& more :
       {Deltas{{"LORA_DROPOUT", "0.25"}}, Deltas{{"LORA_DROPOUT", "0.25"}, {"RECOMPUTE", "y"}},
        Deltas{{"GPT2_N_LAYER", "4"},
               {"MLP_SHARE_LAYERS", "2"},
               {"MLP_UNSHARE_AT", "5"},
               {"LORA_FREEZE_BASE_AT", "9"}},
        Deltas{{"RA_MLA_MLP_LATENT_RECIP", "y"}, {"SHARE_MAIN_MATRICES", "y"}, {"RA_MLA_SHARED_KV", "y"}},
        Deltas{{"RA_MLA_MLP_LATENT_RECIP", "y"}, {"SHARE_MAIN_MATRICES", "y"}},
        Deltas{{"SHARE_MAIN_MATRICES", "y"}, {"LORA_FREEZE_BASE_AT", "1"}}}) {
    const auto checks = audit(small_config(kLora + more));
    EXPECT_EQ(failed(checks), "") << failed_gates(checks, 1);
  }
  const auto checks =
      audit(small_config(kShared + Deltas{{"RA_MLA_MLP_LATENT_RECIP", "y"}, {"RA_MLA_SHARED_KV", "y"}}));
  EXPECT_EQ(failed(checks), "") << failed_gates(checks, 1);
}

// The maps are there, get no gradient, and change nothing.
TEST(PlantedFault, AnAdapterThatIsNeverAddedIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    const auto deaf = parameters.to(at::kCPU, parameters.tensors()[0].scalar_type());
    for (const auto& [name, tensor] : deaf.by_name())
      if (name.ends_with("attn.v_down.lora_B.weight")) tensor.detach().zero_();
    return program().logits(config, deaf, tokens, dropout);
  };
  const auto checks = audit(small_config(kLora), subject);
  EXPECT_TRUE(fails(checks, "adapters", "v_down.lora_B.weight changes no logit"));
}

TEST(PlantedFault, AnAdapterThatIsSomethingAtTheStartIsCaught) {
  const auto subject = drawn_otherwise([](const std::string& name, const Tensor& tensor) {
    if (name.ends_with("lora_B.weight")) tensor.fill_(1e-3);
  });
  const auto checks = audit(small_config(kLora), subject);
  EXPECT_TRUE(fails(checks, "adapters", "at the start they change the logits"));
  EXPECT_TRUE(fails(checks, "initial_values", "does not start at 0"));
}

TEST(PlantedFault, AnAdapterOfAnotherScaleIsCaught) {
  const auto subject = drawn_otherwise([](const std::string& name, const Tensor& tensor) {
    if (name.ends_with("lora_A.weight")) tensor.mul_(1.5);
  });
  EXPECT_TRUE(fails(audit(small_config(kLora), subject), "initial_values", "values further than"));
}

TEST(PlantedFault, ALayerWithAnAttentionOfItsOwnIsCaught) {
  Subject subject = program();
  subject.parameters = [](const Config& config) {
    Config apart = config;
    apart.gpt.share_main = false;
    return model_parameters(apart);
  };
  EXPECT_TRUE(fails(audit(small_config(kShared), subject), "sharing", "but the maps of layer 0"));
}

// Layer 1 reads its own queries' map, a little off.
TEST(PlantedFault, ASharedAttentionWithAnotherGradientIsCaught) {
  const auto subject = with_logits([](const Tensor& logits, const Config& config,
                                      const ParameterSet& parameters, const Tensor&, const Dropout&) {
    if (!config.gpt.share_main) return logits;
    const Tensor more = 1e-3 * parameters["transformer.h.0.attn.q_proj.weight"].sum();
    return logits + logits.detach() * (more - more.detach());
  });
  EXPECT_TRUE(fails(audit(small_config(kShared), subject), "sharing",
                    "transformer.h.0.attn.q_proj.weight is not the sum"));
}

TEST(FreezingGate, PassesForTheTrialsLoop) {
  for (const char* at : {"1", "7"}) {
    const auto checks = audit(small_config(kLora + Deltas{{"LORA_FREEZE_BASE_AT", at}}));
    EXPECT_EQ(failed(checks), "") << failed_gates(checks, 1);
    EXPECT_NE(detail(checks, "freezing").find("stand still from update"), std::string::npos);
  }
}

// The loop that never freezes, and the one that freezes too early.
TEST(PlantedFault, ALoopThatFreezesAtAnotherUpdateIsCaught) {
  for (const std::int64_t at : {0, 1}) {
    const auto subject = trained_otherwise([=](Config& config) {
      if (config.lora.freeze_base_at > 0) config.lora.freeze_base_at = at;
    });
    EXPECT_TRUE(fails(audit(small_config(kFrozen), subject), "freezing",
                      at == 0 ? "moves after update 1" : "before update 2"));
  }
}

}  // namespace
}  // namespace kablate
