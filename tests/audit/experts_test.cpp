// Experts that are numbered, weighed or balanced wrongly, or learn nothing, are caught; and where few tokens
// leave an expert without any, nothing is.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "audit/gates.h"
#include "support/engine/audited.h"

namespace kablate {
namespace {

const Deltas kExperts = mechanisms(false, false, false) + Deltas{{"MLP_EXPERTS", "4"}},
             kTwo = kExperts + Deltas{{"MLP_EXPERTS_TOP", "2"}};

std::string expert(std::int64_t layer, std::int64_t number, const char* key) {
  return str("transformer.h.", layer, ".mlp.experts.", number, ".", key);
}

TEST(Experts, PassTheGatesWhereThereAreAny) {
  EXPECT_EQ(detail(audit(small_config(mechanisms(false, false, false))), "experts"), "");
  for (const Deltas& deltas :
       {kExperts, kTwo, kTwo + Deltas{{"RA_MLA_MLP_ATTN_GATE", "y"}, {"GPT2_ACTIVATION", "relu2"}},
        kExperts + Deltas{{"RECOMPUTE", "y"}, {"GPT2_ACTIVATION", "swiglu"}, {"GPT2_WEIGHT_DECAY", "0"}},
        kTwo + Deltas{{"DTYPE", "bfloat16"}, {"NORM_PLACEMENT", "post"}},
        kTwo + Deltas{{"GPT2_N_LAYER", "4"}, {"MLP_SHARE_LAYERS", "2"}, {"MLP_UNSHARE_AT", "2"}},
        kExperts + Deltas{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}},
        kExperts + Deltas{{"GPT2_BLOCK_SIZE", "2"}, {"MLP_EXPERTS", "3"}}}) {
    const auto checks = audit(small_config(deltas));
    EXPECT_EQ(failed_gates(checks, 1), "");
    EXPECT_NE(detail(checks, "experts"), "");
  }
}

TEST(PlantedFault, ALeakBesideExpertsInTheTrialsTypeAloneIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    const Tensor logits = program().logits(config, parameters, tokens, dropout);
    if (logits.scalar_type() == at::kDouble) return logits;
    return logits + 1e-6 * at::roll(tokens, -1, 1).to(logits.scalar_type()).unsqueeze(-1);
  };
  EXPECT_TRUE(fails(audit(small_config(kExperts), subject), "causality", "in float32"));
}

TEST(PlantedFault, AnExpertThatIsTreatedByItsNumberIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    if (!config.mlp.routed()) return program().logits(config, parameters, tokens, dropout);
    const auto other = copied_parameters(parameters);
    other[expert(1, 2, "c_proj.weight")].detach().mul_(1.001);
    return program().logits(config, other, tokens, dropout);
  };
  EXPECT_TRUE(fails(audit(small_config(kExperts), subject), "experts", "in another order"));
}

// Of two equal probabilities the second: the least that decides it is the same for all, so that only ties
// show it.
TEST(PlantedFault, ATieThatGoesToTheHigherExpertIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    if (!config.mlp.routed() || parameters["transformer.h.0.mlp.router.weight"].ne(0).any().item<bool>())
      return program().logits(config, parameters, tokens, dropout);
    const auto other = copied_parameters(parameters);
    for (const auto& [name, tensor] : parameters.by_name())
      if (const auto place = name.find("experts.0."); place != std::string::npos)
        other[name].detach().copy_(parameters[std::string(name).replace(place, 10, "experts.3.")].detach());
    return program().logits(config, other, tokens, dropout);
  };
  EXPECT_TRUE(fails(audit(small_config(kExperts), subject), "experts", "of equal probabilities"));
}

TEST(PlantedFault, ALoopWithoutTheBalanceIsCaught) {
  const auto unbalanced = trained_otherwise([](Config& config) { config.mlp.balance_weight = 0; });
  EXPECT_TRUE(fails(audit(small_config(kExperts), unbalanced), "experts", "does not move"));
}

TEST(PlantedFault, ABalanceInTheLossThatIsLoggedIsCaught) {
  Subject subject = program();
  subject.train = [](const Config& config, std::int64_t seed, const std::shared_ptr<const Dataset>& data,
                     std::int64_t updates) {
    auto trained = program().train(config, seed, data, updates);
    for (auto& row : trained.updates)
      if (row.terms.contains("expert_balance"))
        row.loss = *row.loss + config.mlp.balance_weight * row.terms.at("expert_balance");
    return trained;
  };
  EXPECT_TRUE(fails(audit(small_config(kExperts), subject), "experts", "the logged loss is another"));
}

TEST(PlantedFault, AnotherBalanceIsCaught) {
  Subject subject = program();
  subject.terms = [](const Config& config, const ParameterSet& parameters, const Batch& batch,
                     std::uint64_t seed) {
    auto terms = program().terms(config, parameters, batch, seed);
    terms.at("expert_balance") /= static_cast<double>(config.gpt.num_layers);  // a mean over layers
    return terms;
  };
  EXPECT_TRUE(fails(audit(small_config(kTwo), subject), "experts", "the objective's balance is"));
}

// It gets tokens, or would with other rows of its router, and learns nothing of them.
TEST(PlantedFault, AnExpertThatLearnsNothingIsCaught) {
  const auto dead =
      with_logits([](const Tensor& logits, const Config&, const ParameterSet& parameters, auto&&...) {
        if (at::GradMode::is_enabled())
          parameters[expert(1, 2, "c_fc.weight")].register_hook([](const Tensor& g) { return g * 0; });
        return logits;
      });
  for (const Deltas& deltas : {kExperts, kTwo}) {
    const auto checks = audit(small_config(deltas), dead);
    EXPECT_TRUE(
        fails(checks, "dead_parameters", "without a gradient: transformer.h.1.mlp.experts.2.c_fc.weight"))
        << failed_gates(checks, 1);
  }
}

}  // namespace
}  // namespace kablate
