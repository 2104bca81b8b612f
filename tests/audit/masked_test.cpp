// Gates of masked models: they pass, and masks of an arm's own, a critic that sees the answer, losses of what
// was not masked and values that padding reaches are caught.
#include <map>
#include <string>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "audit/gates.h"
#include "support/engine/audited.h"
#include "train/contract.h"

namespace kablate {
namespace {

const Deltas kMasked = mechanisms(false, false, false) +
                       Deltas{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}},
             kCritic = kMasked + Deltas{{"CRITIC", "y"}, {"MASK_RATE", "0.5"}};

TEST(MaskedGates, AreAskedInPlaceOfThoseOfCausalModels) {
  const auto checks = audit(small_config(kCritic));
  EXPECT_EQ(failed(checks), "") << failed_gates(checks, 1);
  EXPECT_EQ(detail(checks, "causality"), "");
  EXPECT_EQ(detail(checks, "decode_parity"), "");
  EXPECT_NE(detail(checks, "direction"), "");
  EXPECT_NE(detail(checks, "padding"), "");
  EXPECT_NE(detail(checks, "objective").find("what the critic says"), std::string::npos);
  const auto causal = audit(small_config(mechanisms(false, false, false)));
  EXPECT_EQ(detail(causal, "direction"), "");
  EXPECT_EQ(detail(causal, "objective"), "");
}

TEST(MaskedGates, PassWithOtherChoices) {
  for (const Deltas& more :
       {Deltas{{"MASK_SCHEDULE", "uniform"}}, Deltas{{"DTYPE", "bfloat16"}},
        Deltas{{"RA_MLA_RA_ALPHA", "0.5"}, {"GPT2_DROPOUT", "0.1"}},
        Deltas{{"ENABLE_RA_MLA", "n"}, {"POSITIONS", "rotary"}, {"GPT2_N_KV_HEAD", "1"}},
        Deltas{{"SHARE_MAIN_MATRICES", "y"}, {"USE_LORA_ATTN", "y"}, {"LORA_FREEZE_BASE_AT", "5"}},
        mechanisms(true, true, true) + Deltas{{"RA_MLA_MLP_GATE_POOL", "sequence"}}}) {
    for (const auto& base : {kMasked, kCritic}) {
      const auto checks = audit(small_config(base + more + Deltas{{"RA_MLA_ALLOW_NONCAUSAL", "n"}}));
      EXPECT_EQ(failed(checks), "") << failed_gates(checks, 1);
    }
  }
}

TEST(PlantedFault, MasksOfAnArmsOwnAreCaught) {
  const auto subject = trained_otherwise([](Config& config) { config.objective.mask_rate = 0.3; });
  EXPECT_TRUE(fails(audit(small_config(kMasked), subject), "samples", "read other tokens"));
  EXPECT_TRUE(fails(audit(small_config(kMasked), subject), "evaluation", "other windows"));
}

// The program whose objective finds something else, `change`d with the batch before its masks and after.
template <typename Change>
Subject with_terms(Change change) {
  Subject subject = program();
  subject.terms = [=](const Config& config, const ParameterSet& parameters, const Batch& batch,
                      std::uint64_t seed) {
    auto terms = program().terms(config, parameters, batch, seed);
    change(terms, config, parameters, batch, contract_keyed(config, batch, seed, audited_mask_token(config)));
    return terms;
  };
  return subject;
}
using Terms = std::map<std::string, double>;

// Its second pass reads the tokens that stood there.
TEST(PlantedFault, ACriticThatSeesTheAnswerIsCaught) {
  const auto subject = with_terms([](Terms& terms, const Config& config, const ParameterSet& parameters,
                                     const Batch& batch, const Batch& keyed) {
    const Tensor said =
        program().critic(config, parameters, batch.inputs).index({keyed.targets.ne(kIgnoreIndex)});
    terms["critic"] = at::softplus(said).mean().item<double>();
  });
  EXPECT_TRUE(fails(audit(small_config(kCritic), subject), "objective", "critic is"));
}

// Over all positions, those that were not masked too.
TEST(PlantedFault, ALossOfWhatWasNotMaskedIsCaught) {
  const auto subject = with_terms([](Terms& terms, const Config& config, const ParameterSet& parameters,
                                     const Batch& batch, const Batch& keyed) {
    Batch all = keyed;
    all.targets = batch.inputs;
    terms["loss"] = contract_loss(config, all, program().logits(config, parameters, keyed.inputs, Dropout()),
                                  audited_mask_token(config))
                        .mean();
  });
  EXPECT_TRUE(fails(audit(small_config(kMasked), subject), "objective", "loss is"));
}

TEST(PlantedFault, ValuesThatPaddingReachesAreCaught) {
  Subject subject = program();
  subject.kept_logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                           const Tensor& keep, const Dropout& dropout) {
    return program().kept_logits(config, parameters, tokens, keep, dropout) +
           1e-9 * tokens.to(at::kDouble).mean();
  };
  EXPECT_TRUE(fails(audit(small_config(kMasked), subject), "padding", "padded positions"));
}

TEST(PlantedFault, AttentionThatIsCausalAllTheSameIsCaught) {
  Subject subject = with_logits([](const Tensor&, const Config& config, const ParameterSet& parameters,
                                   const Tensor& tokens, const Dropout& dropout) {
    Config causal = config;
    causal.attention.direction = Direction::kCausal;
    return program().logits(causal, parameters, tokens, dropout);
  });
  EXPECT_TRUE(fails(audit(small_config(kMasked), subject), "direction", "does not see the last"));
}

}  // namespace
}  // namespace kablate
