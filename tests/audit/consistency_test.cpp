// Faults of a whole program rather than of one mechanism, each planted and caught.
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "audit/gates.h"
#include "config/mechanism.h"
#include "support/engine/audited.h"

namespace kablate {
namespace {

TEST(PlantedFault, ABatchThatMixesIsCaught) {
  const auto mixing =
      with_logits([](const Tensor& logits, auto&&...) { return logits + 1e-3 * logits.mean(0); });
  EXPECT_TRUE(fails(audit(all_mechanisms(), mixing), "consistency", "than alone"));
}

TEST(PlantedFault, StateBetweenCallsIsCaught) {
  const auto last = std::make_shared<Tensor>();
  const auto remembering = with_logits([last](const Tensor& logits, auto&&...) {
    const bool same = last->defined() && last->sizes() == logits.sizes() && last->dtype() == logits.dtype();
    const Tensor result = same ? logits + 1e-4 * *last : logits;
    *last = logits.detach().clone();
    return result;
  });
  EXPECT_FALSE(failed(audit(all_mechanisms(), remembering)).empty());
  EXPECT_NE(failed(audit(all_mechanisms(), remembering)).find("consistency"), std::string::npos);
}

TEST(PlantedFault, AMechanismThatActsWithGradientsAloneIsCaught) {
  const auto training_only = with_logits([](const Tensor& logits, const Config& config,
                                            const ParameterSet& parameters, const Tensor& tokens,
                                            const Dropout& dropout) {
    if (at::GradMode::is_enabled()) return logits;
    return program().logits(without_mechanism(config, *find_mechanism("gate")), parameters, tokens, dropout);
  });
  EXPECT_TRUE(fails(audit(all_mechanisms(), training_only), "consistency", "recording gradients"));
}

TEST(PlantedFault, AMechanismThatDropoutSwitchesOffIsCaught) {
  const auto fragile = with_logits([](const Tensor& logits, const Config& config,
                                      const ParameterSet& parameters, const Tensor& tokens,
                                      const Dropout& dropout) {
    if (!dropout.active()) return logits;
    return program().logits(without_mechanism(config, *find_mechanism("cross")), parameters, tokens, dropout);
  });
  EXPECT_TRUE(fails(audit(all_mechanisms(), fragile), "consistency", "drops nothing"));
}

// Normed, a latent of one channel is its sign, which six tokens may share: as drawn for this width, these do.
TEST(Gates, AskForPositionsOfLatentsOfOneChannel) {
  const Config config = small_config({{"RA_MLA_FORM", "deepseek"},
                                      {"RA_MLA_LATENT_DIM", "1"},
                                      {"POSITIONS", "rotary"},
                                      {"RA_MLA_ROPE_DIM", "2"},
                                      {"GPT2_N_HEAD", "2"},
                                      {"GPT2_N_EMBD", "104"},
                                      {"GPT2_BLOCK_SIZE", "16"}});
  const auto found = positions(config, program());
  EXPECT_TRUE(found && found->passed) << (found ? found->detail : "not asked");
}

TEST(PlantedFault, AModelWithoutPositionsIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    const ParameterSet same = parameters.to(at::kCPU, parameters.tensors()[0].scalar_type());
    same["transformer.wpe.weight"].detach().zero_();
    return program().logits(config, same, tokens, dropout);
  };
  EXPECT_TRUE(fails(audit(all_mechanisms(), subject), "positions", "at least"));
}

// The rows of c_attn that make the queries of head h, or its keys, turned by `angle` of the first pair: a
// rotation of what they make.
void turn_head(const ParameterSet& parameters, const Config& config, bool keys, std::int64_t h,
               std::int64_t position) {
  const auto D = config.head_dim(), E = config.gpt.width;
  const Tensor map = parameters["transformer.h.0.attn.c_attn.weight"].detach(),
               bias = parameters["transformer.h.0.attn.c_attn.bias"].detach();
  const auto first = (keys ? E : 0) + h * D;
  for (std::int64_t i = 0; i < D / 2; ++i) {
    const double angle = static_cast<double>(position) *
                         std::pow(config.gpt.rope_base, -2 * static_cast<double>(i) / static_cast<double>(D));
    for (const Tensor& of : {map, bias}) {
      const Tensor a = of[first + i].clone(), b = of[first + i + D / 2].clone();
      of[first + i].copy_(a * std::cos(angle) - b * std::sin(angle));
      of[first + i + D / 2].copy_(b * std::cos(angle) + a * std::sin(angle));
    }
  }
}

Config rotary_config() {
  return small_config(mechanisms(false, false, false) +
                      Deltas{{"ENABLE_RA_MLA", "n"}, {"POSITIONS", "rotary"}});
}

Config without_positions(Config config) {
  config.gpt.positions = Positions::kNone;
  return config;
}

// [B, T, H, D] taken for [B, H, T, D]: every head is turned by its number, at all positions alike.
TEST(PlantedFault, ARotationAlongTheHeadsIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    const ParameterSet turned = copied_parameters(parameters);
    for (std::int64_t h = 0; h < config.gpt.num_heads; ++h)
      for (const bool keys : {false, true}) turn_head(turned, config, keys, h, h);
    return program().logits(without_positions(config), turned, tokens, dropout);
  };
  EXPECT_TRUE(fails(audit(rotary_config(), subject), "positions", "at least 1e-3"));
}

// What is rotated by the position in the batch's pass, and the other side by that in the sequence.
TEST(PlantedFault, KeysThatAreRotatedByAnotherPositionThanQueriesAreCaught) {
  Subject subject = program();
  subject.logits_from = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                           std::int64_t first) {
    const ParameterSet turned = copied_parameters(parameters);
    for (std::int64_t h = 0; h < config.gpt.num_heads; ++h) turn_head(turned, config, true, h, first);
    return program().logits_from(config, turned, tokens, 0);
  };
  const auto checks = audit(rotary_config(), subject);
  EXPECT_TRUE(fails(checks, "shift_invariance", "1000 positions further on"));
  EXPECT_EQ(failed(checks), "shift_invariance");
}

TEST(PlantedFault, PositionsWhereThereShouldBeNoneAreCaught) {
  const auto config =
      small_config(mechanisms(false, false, false) + Deltas{{"ENABLE_RA_MLA", "n"}, {"POSITIONS", "none"}});
  EXPECT_EQ(failed(audit(config)), "");
  Subject subject = program();
  subject.logits = [](const Config& given, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    Config rotary = given;
    rotary.gpt.positions = Positions::kRotary;
    return program().logits(rotary, parameters, tokens, dropout);
  };
  EXPECT_TRUE(fails(audit(config, subject), "positions", "must not count"));
}

TEST(PlantedFault, ACacheThatHoldsACopyForEveryHeadOfQueriesIsCaught) {
  Subject subject = program();
  subject.cache_bytes = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens) {
    auto bytes = program().cache_bytes(config, parameters, tokens);
    bytes.per_token *= static_cast<double>(config.gpt.num_heads / config.key_heads());
    return bytes;
  };
  const Deltas grouped{{"ENABLE_RA_MLA", "n"}, {"GPT2_N_KV_HEAD", "1"}};
  const auto checks = audit(small_config(mechanisms(false, false, false) + grouped), subject);
  EXPECT_TRUE(fails(checks, "cache_size", "declared are"));
  EXPECT_EQ(failed(checks), "cache_size");
}

TEST(PlantedFault, AGradientThatIsCutIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    Config cut_off = config;
    cut_off.cross.detach = true;
    return program().logits(cut_off, parameters, tokens, dropout);
  };
  subject.loss = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                    const Tensor& targets) {
    Config cut_off = config;
    cut_off.cross.detach = true;
    return program().loss(cut_off, parameters, tokens, targets);
  };
  EXPECT_TRUE(fails(audit(all_mechanisms(), subject), "gradients", "no derivatives"));
}

// The width's penalty is in the loss, and not in its gradient.
TEST(PlantedFault, AnAuxiliaryTermWithoutItsGradientIsCaught) {
  Subject subject = program();
  subject.loss = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                    const Tensor& targets) {
    Config free = config;
    free.mlp.width_penalty = 0;
    const Tensor objective = program().loss(free, parameters, tokens, targets),
                 all = program().loss(config, parameters, tokens, targets);
    return objective + (all - objective).detach();
  };
  const Deltas wide{{"MLP_LEARNED_WIDTH", "y"}, {"MLP_WIDTH_PENALTY", "0.5"}};
  const Config config = small_config(mechanisms(false, false, false) + wide);
  EXPECT_EQ(failed(audit(config)), "");
  EXPECT_TRUE(fails(audit(config, subject), "gradients", "transformer.h.0.mlp.unit_gate"));
}

// One unit of the second head's MLP: of maps for each head, rows are those of every head.
TEST(PlantedFault, AUnitOfAHeadsMlpThatLearnsNothingIsCaught) {
  const auto partial =
      with_logits([](const Tensor& logits, const Config&, const ParameterSet& parameters, auto&&...) {
        const Tensor map = parameters["transformer.h.1.mlp.c_fc_heads"];
        if (at::GradMode::is_enabled())
          map.register_hook([](Tensor gradient) {
            Tensor partly = gradient.clone();
            partly[1][2].zero_();
            return partly;
          });
        return logits;
      });
  const auto checks =
      audit(small_config(mechanisms(false, false, false) + Deltas{{"MLP_PER_HEAD", "y"}}), partial);
  EXPECT_TRUE(fails(checks, "every_layer", "transformer.h.1.mlp.c_fc_heads: 1 of "))
      << failed_gates(checks, 1);
}

// Of eight heads and five layers: the gate reaches four heads, or stops after the third layer.
TEST(PlantedFault, AMechanismThatActsInTheFirstHeadsOrLayersAloneIsCaught) {
  const Deltas tall{{"GPT2_N_LAYER", "5"}, {"GPT2_N_HEAD", "8"}, {"GPT2_N_EMBD", "32"}};
  for (const auto& [map, rows] : {std::pair{"transformer.h.0.mlp.gate_to_heads.weight", 4},
                                  std::pair{"transformer.h.3.mlp.gate_proj.weight", 0}}) {
    const auto partial =
        with_logits([map = std::string(map), rows = rows](const Tensor& logits, const Config&,
                                                          const ParameterSet& parameters, auto&&...) {
          const auto named = parameters.by_name();
          if (const auto found = named.find(map); found != named.end() && at::GradMode::is_enabled())
            found->second.register_hook([rows](Tensor gradient) {
              Tensor partly = gradient.clone();
              partly.narrow(0, rows, partly.size(0) - rows).zero_();
              return partly;
            });
          return logits;
        });
    EXPECT_TRUE(fails(audit(all_mechanisms(tall), partial), "every_layer", map)) << map;
  }
}

TEST(PlantedFault, AScaleThatIsSlightlyOffInTheTrialsTypeIsCaught) {
  const auto off = with_logits([](const Tensor& logits, auto&&...) {
    return logits.scalar_type() == at::kDouble ? logits : logits * 1.002;
  });
  EXPECT_TRUE(fails(audit(all_mechanisms(), off), "arithmetic", "float32 is float64 to 2.0e-03"));
}

TEST(PlantedFault, ALeakThatOnlyALongContextHasIsCaught) {
  const auto leaking = with_logits(
      [](const Tensor& logits, const Config&, const ParameterSet&, const Tensor& tokens, const Dropout&) {
        const Tensor ahead = at::roll(tokens, -1, 1).to(logits.scalar_type()).unsqueeze(-1);
        return tokens.size(1) > 100 ? logits + 1e-4 * ahead : logits;
      });
  EXPECT_TRUE(fails(audit(all_mechanisms({{"GPT2_BLOCK_SIZE", "128"}}), leaking), "causality", "128 tokens"));
}

// The trial's loss with another gradient: that of `changed`, which is given the tokens and targets.
template <typename Function>
Subject with_loss_in_pieces(Function changed) {
  Subject subject = program();
  subject.loss = [=](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                     const Tensor& targets) {
    const auto loss = [&](const Tensor& in, const Tensor& out) {
      return program().loss(config, parameters, in, out);
    };
    if (config.limits.logits > 0) return loss(tokens, targets);
    return changed(config, loss, tokens, targets);
  };
  return subject;
}

TEST(PlantedFault, ALossThatForgetsItsLastPieceIsCaught) {
  const auto forgetful = with_loss_in_pieces(
      [](const Config& config, const auto& loss, const Tensor& tokens, const Tensor& targets) {
        const auto N = targets.numel(), rest = N % config.limits.logit_rows;
        Tensor counted = targets.clone();
        counted.flatten().narrow(0, N - rest, rest).fill_(-1);
        return loss(tokens, counted);
      });
  const auto checks = audit(all_mechanisms(), forgetful);
  EXPECT_TRUE(fails(checks, "gradients", "in float64 the loss is"));
  EXPECT_TRUE(fails(checks, "arithmetic", "in float32 the loss is"));
  EXPECT_EQ(failed(checks), "gradients arithmetic");
}

// The second piece begins a sequence late and ends with the last one twice; the value is right.
TEST(PlantedFault, ARecomputedPieceThatIsOffByOneIsCaught) {
  const auto late =
      with_loss_in_pieces([](const Config&, const auto& loss, const Tensor& tokens, const Tensor& targets) {
        const auto shifted = [](const Tensor& x_BT) {
          const auto B = x_BT.size(0);
          return at::cat(
              {x_BT.narrow(0, 0, B / 2), x_BT.narrow(0, B / 2 + 1, B - B / 2 - 1), x_BT.narrow(0, B - 1, 1)});
        };
        const Tensor wrong = loss(shifted(tokens), shifted(targets));
        const at::NoGradGuard no_grad;
        const Tensor right = loss(tokens, targets);
        const at::AutoGradMode with_gradients(true);
        return wrong + (right - wrong.detach());
      });
  EXPECT_TRUE(fails(audit(all_mechanisms(), late), "gradients", "made in pieces is off by"));
}

TEST(PlantedFault, InitialValuesThatIgnoreTheSeedOrAreDrawnAlikeAreCaught) {
  Subject subject = program();
  subject.initial_values = [](const Config& config, std::uint64_t) {
    return program().initial_values(config, 7);
  };
  EXPECT_TRUE(fails(audit(all_mechanisms(), subject), "initial_values", "alike under two seeds"));
  subject.initial_values = [](const Config& config, std::uint64_t seed) {
    auto parameters = program().initial_values(config, seed);
    parameters["transformer.h.1.mlp.c_fc.weight"].detach().copy_(
        parameters["transformer.h.0.mlp.c_fc.weight"].detach());
    return parameters;
  };
  EXPECT_TRUE(fails(audit(all_mechanisms(), subject), "initial_values", "is drawn like"));
  subject.initial_values = [](const Config& config, std::uint64_t seed) {
    auto parameters = program().initial_values(config, seed);
    parameters["transformer.h.1.mlp.c_fc.weight"].detach().mul_(3);
    return parameters;
  };
  EXPECT_TRUE(fails(audit(all_mechanisms(), subject), "initial_values", "3.00 times the deviation") ||
              fails(audit(all_mechanisms(), subject), "initial_values", "times the deviation"));
}

}  // namespace
}  // namespace kablate
