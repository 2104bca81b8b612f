// Shared MLPs that leak into one another, or learn for one of their layers alone, are caught.
#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "audit/cut.h"
#include "audit/gates.h"
#include "shape/model_shape.h"
#include "support/engine/audited.h"

namespace kablate {
namespace {

const Deltas kTwoKeys =
    mechanisms(false, false, false) + Deltas{{"GPT2_N_LAYER", "4"}, {"MLP_SHARE_LAYERS", "2"}};

bool is_shared(const Config& config) { return config.mlp.share_layers > 1; }

TEST(Sharing, IsHeldAgainstEqualMlpsWhereThereIsAny) {
  EXPECT_EQ(detail(audit(small_config(mechanisms(false, false, false))), "sharing"), "");
  EXPECT_NE(detail(audit(small_config(kTwoKeys)), "sharing").find("as equal maps"), std::string::npos);
  const Deltas heads{{"MLP_PER_HEAD", "y"}, {"MLP_SHARE_HEADS", "3"}};
  EXPECT_NE(detail(audit(small_config(mechanisms(false, false, false) + heads)), "sharing"), "");
}

// The MLP of layers 0 and 1 with a little of that of layers 2 and 3 in it.
TEST(PlantedFault, ASharedMlpThatLeaksIntoAnotherKeyIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    if (!is_shared(config)) return program().logits(config, parameters, tokens, dropout);
    const auto mixed = parameters.to(at::kCPU, parameters.tensors()[0].scalar_type());
    const auto blend = [](const Tensor& of_0, const Tensor& of_2) {
      of_0.detach().mul_(0.999).add_(of_2.detach(), 0.001);
    };
    blend(mixed["transformer.h.0.mlp.c_fc.weight"], mixed["transformer.h.2.mlp.c_fc.weight"]);
    return program().logits(config, mixed, tokens, dropout);
  };
  EXPECT_TRUE(fails(audit(small_config(kTwoKeys), subject), "sharing", "logits are off"));
}

// The values are right; layer 0 teaches the tensor more than it should.
TEST(PlantedFault, ASharedMlpWithAnotherGradientIsCaught) {
  const auto subject = with_logits([](const Tensor& logits, const Config& config,
                                      const ParameterSet& parameters, const Tensor&, const Dropout&) {
    if (!is_shared(config)) return logits;
    const Tensor more = 1e-3 * parameters["transformer.h.0.mlp.c_fc.weight"].sum();
    return logits + logits.detach() * (more - more.detach());
  });
  EXPECT_TRUE(fails(audit(small_config(kTwoKeys), subject), "sharing",
                    "transformer.h.0.mlp.c_fc.weight is not the sum"));
}

TEST(PlantedFault, ALayerWithAnMlpOfItsOwnIsCaught) {
  Subject subject = program();
  subject.parameters = [](const Config& config) {
    Config apart = config;
    apart.mlp.share_layers = 1;
    return model_parameters(apart);
  };
  EXPECT_TRUE(fails(audit(small_config(kTwoKeys), subject), "sharing",
                    "layer 1 has transformer.h.1.mlp.c_fc.weight, but the maps of layer 0"));
}

const Deltas kParting = kTwoKeys + Deltas{{"MLP_UNSHARE_AT", "7"}};

TEST(Sharing, EndsInTheTrialsLoopWhereItIsToEnd) {
  for (const char* source : {"project", "frozen"}) {
    const auto checks = audit(small_config(kParting + Deltas{{"RA_MLA_LATENT_SOURCE", source}}));
    EXPECT_EQ(failed(checks), "") << failed_gates(checks, 1);
  }
}

// The loop that never parts, and the one that parts too early.
TEST(PlantedFault, ALoopThatPartsLayersAtAnotherUpdateIsCaught) {
  for (const std::int64_t at : {0, 1}) {
    const auto subject = trained_otherwise([=](Config& config) {
      if (config.mlp.unshare_at > 0) config.mlp.unshare_at = at;
    });
    EXPECT_TRUE(fails(audit(small_config(kParting), subject), "sharing",
                      at == 0 ? "there is no transformer.h.1.mlp.c_fc" : "before update 2"));
  }
}

// The moments of all copies but the first begin at zero.
TEST(PlantedFault, ALoopThatPartsLayersWithoutTheirMomentsIsCaught) {
  for (const char* moment : {"m.", "v."}) {
    SCOPED_TRACE(moment);
    Subject subject = program();
    subject.train = [=](const Config& config, std::int64_t seed, const std::shared_ptr<const Dataset>& data,
                        std::int64_t updates) {
      auto training = program().train(config, seed, data, updates);
      if (config.mlp.unshare_at == 0) return training;
      Config never = config;
      never.mlp.unshare_at = 0;
      const auto before = program().train(never, seed, data, config.mlp.unshare_at - 1);
      const double beta = *moment == 'm' ? config.optim.beta1 : config.optim.beta2;
      for (auto& [name, tensor] : training.moments)
        if (name.starts_with(moment) && !before.moments.contains(name))
          tensor -= beta * before.moments.at(str(moment, "transformer.h.", name[16] - '1', name.substr(17)));
      return training;
    };
    EXPECT_TRUE(fails(audit(small_config(kParting), subject), "sharing", "do not go on from"));
  }
}

// Where layers part at the last update of all.
TEST(Sharing, IsNotTrainedOnPastTheTrialsLastUpdate) {
  std::int64_t most = 0;
  Subject subject = program();
  subject.train = [&](const Config& config, std::int64_t seed, const std::shared_ptr<const Dataset>& data,
                      std::int64_t updates) {
    most = std::max(most, updates);
    return program().train(config, seed, data, updates);
  };
  const Config last = small_config(kTwoKeys + Deltas{{"MLP_UNSHARE_AT", "2"}, {"GPT2_MAX_ITERS", "2"}});
  const auto found = sharing(last, subject);
  EXPECT_TRUE(found && found->passed) << found->detail;
  EXPECT_EQ(most, 2);
}

// As few layers as have two keys of two, whatever the model's number; MLPs that differ are left.
TEST(Cut, KeepsLayersThatShareAndLayersThatDiffer) {
  const auto cut_to = [](const Deltas& deltas, Cut kind = Cut::kShallow) {
    const Config c = cut({small_config(mechanisms(true, true, true) + deltas), small_config({})}, kind)[0];
    EXPECT_NO_THROW(validate(c));
    std::string text = str(c.gpt.num_layers, " by ", c.mlp.share_layers, ":");
    for (std::int64_t i = 0; i < c.gpt.num_layers; ++i) text += str(" ", c.mlp.expansion.at(i));
    return text;
  };
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "12"}}), "3 by 1: 2 2 2");
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "12"}, {"MLP_SHARE_LAYERS", "3"}}), "4 by 2: 2 2 2 2");
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "12"}, {"MLP_SHARE_LAYERS", "12"}}), "4 by 4: 2 2 2 2");
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "6"}, {"MLP_EXPANSION", "2,2,2,2,0,3"}}), "3 by 1: 2 0 3");
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "6"}, {"MLP_EXPANSION", "2,0,0,0,0,0"}}), "3 by 1: 2 0 0");
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "5"}, {"MLP_EXPANSION", "0,0,0,2,2"}}), "3 by 1: 0 2 2");
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "6"}, {"MLP_SHARE_LAYERS", "2"}, {"MLP_EXPANSION", "2,2,1,1,1,1"}}),
            "4 by 2: 2 2 1 1");
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "6"},
                    {"MLP_SHARE_LAYERS", "2"},
                    {"MLP_SHARE_PATTERN", "cyclic"},
                    {"MLP_EXPANSION", "2,2,1,2,2,1"}}),
            "4 by 2: 2 1 2 1");
  EXPECT_EQ(cut_to({{"GPT2_N_LAYER", "4"}, {"MLP_SHARE_LAYERS", "2"}}, Cut::kLong), "2 by 2: 2 2");
  const Config latents =
      cut({small_config({{"GPT2_N_LAYER", "6"}, {"RA_MLA_LATENT_DIM", "48,48,48,48,24,6"}})})[0];
  EXPECT_EQ(latents.attention.latent_dim.values, (std::vector<std::int64_t>{12, 6, 1}));
}

// Alone they would be cut from layer 3 on, and from layer 0.
TEST(Cut, IsAtOnePlaceForAllThatAreCompared) {
  const auto config = [](const char* expansions) {
    return small_config(mechanisms(true, true, true) +
                        Deltas{{"GPT2_N_LAYER", "6"}, {"MLP_EXPANSION", expansions}});
  };
  const auto left = [](const Config& c) { return c.mlp.expansion.values; };
  const Config late = config("2,2,2,2,0,3"), early = config("1,0,3,3,3,3"), both = config("1,2,3,2,0,3");
  using Values = std::vector<double>;
  const auto first = cut({early, late});
  EXPECT_EQ(left(first[0]), (Values{1, 0, 3}));
  EXPECT_EQ(left(first[1]), (Values{2, 2, 2}));
  const auto last = cut({early, late, late});
  EXPECT_EQ(left(last[0]), (Values{3, 3, 3}));
  EXPECT_EQ(left(last[1]), (Values{2, 0, 3}));
  EXPECT_EQ(left(cut({both, late})[0]), (Values{2, 0, 3}));
}

}  // namespace
}  // namespace kablate
