// Every gate passes for every arm, and every planted fault is caught by its gate and by no other.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/Generator.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "audit/audit.h"
#include "audit/cut.h"
#include "base/text.h"
#include "config/settings.h"
#include "shape/model_shape.h"
#include "support/engine/audited.h"
#include "support/engine/model_fixture.h"

namespace kablate {
namespace {

class AuditedArm : public testing::TestWithParam<Arm> {};

TEST_P(AuditedArm, PassesEveryGate) {
  const auto& [name, deltas] = GetParam();
  const auto checks = audit(small_config(deltas + Deltas{{"RA_MLA_ALLOW_NONCAUSAL", "n"}}));
  EXPECT_GE(checks.size(), 4);
  if (name == "GateSequence")
    EXPECT_EQ(failed(checks), "causality");
  else
    EXPECT_EQ(failed(checks), "") << failed_gates(checks, 1);
}

INSTANTIATE_TEST_SUITE_P(Gates, AuditedArm, testing::ValuesIn(arms()), arm_test_name);

TEST(Gates, AreThoseThatApply) {
  std::vector<std::string> names;
  for (const auto& check : audit(all_mechanisms())) names.push_back(check.check);
  EXPECT_EQ(
      join(names, " "),
      "off_identity liveness dead_parameters causality consistency positions gradients every_layer "
      "arithmetic initial_values decode_parity cache_size samples evaluation optimizer updates twin_training "
      "pairing");
  names.clear();
  const auto plain = small_config(mechanisms(false, false, false));
  for (const auto& check : audit_step({0, plain, false}, {0, plain, false})) names.push_back(check.check);
  EXPECT_EQ(join(names, " "),
            "off_identity dead_parameters causality consistency positions gradients every_layer arithmetic "
            "initial_values decode_parity cache_size samples evaluation optimizer updates")
      << "nothing to switch on, nothing to pair with";
  const auto rotary =
      small_config(mechanisms(false, false, false) + Deltas{{"ENABLE_RA_MLA", "n"}, {"POSITIONS", "rotary"}});
  EXPECT_NE(detail(audit_step({0, rotary, false}, {0, rotary, false}), "shift_invariance"), "");
}

TEST(Gates, PassInBFloat16AndWithAContextOfOneToken) {
  for (const auto& more :
       {Deltas{{"DTYPE", "bfloat16"}}, Deltas{{"GPT2_BLOCK_SIZE", "1"}},
        Deltas{{"DTYPE", "bfloat16"}, {"NORM_PLACEMENT", "hybrid"}},
        Deltas{{"DTYPE", "bfloat16"}, {"NORM_PLACEMENT", "post"}},
        Deltas{{"DTYPE", "bfloat16"}, {"ENABLE_RA_MLA", "n"}, {"RA_MLA_MLP_LATENT_RECIP", "n"}},
        Deltas{{"ENABLE_RA_MLA", "n"},
               {"RA_MLA_MLP_LATENT_RECIP", "n"},
               {"POSITIONS", "none"},
               {"RA_MLA_MLP_SPARSE_HEAD_AVERAGE", "n"},
               {"GPT2_BLOCK_SIZE", "96"},
               {"GPT2_VOCAB_SIZE", "65"}},
        Deltas{{"DTYPE", "bfloat16"}, {"NORM_KIND", "rmsnorm"}, {"NORM_AFFINE", "n"}, {"POSITIONS", "none"}},
        Deltas{{"DTYPE", "bfloat16"},
               {"ENABLE_RA_MLA", "n"},
               {"RA_MLA_MLP_LATENT_RECIP", "n"},
               {"POSITIONS", "rotary"},
               {"QK_NORM", "y"},
               {"GPT2_N_KV_HEAD", "1"}}}) {
    const auto checks = audit(all_mechanisms(more));
    EXPECT_EQ(failed(checks), "") << more[0].first << ": " << failed_gates(checks, 1);
  }
}

// Small enough to hang on the last bits of its weights, with a bias whose gradient all but cancels out.
const Deltas narrow_bfloat16{{"DTYPE", "bfloat16"},         {"GPT2_N_HEAD", "1"},
                             {"GPT2_N_EMBD", "16"},         {"RA_MLA_LATENT_DIM", "4"},
                             {"GPT2_BLOCK_SIZE", "32"},     {"GPT2_N_LAYER", "4"},
                             {"GPT2_VOCAB_SIZE", "20"},     {"RA_MLA_RA_ALPHA", "0.5"},
                             {"RA_MLA_MLP_ATTN_GATE", "n"}, {"RA_MLA_MLP_LATENT_RECIP", "n"}};

TEST(Gates, PassInBFloat16WhereAModelIsNarrow) {
  for (const auto& more : {Deltas{}, Deltas{{"RA_MLA_LATENT_DIM", "2"},
                                            {"GPT2_N_LAYER", "2"},
                                            {"GPT2_N_EMBD", "48"},
                                            {"GPT2_BLOCK_SIZE", "24"},
                                            {"RA_MLA_MLP_CROSS_TOKEN", "n"}}}) {
    const auto checks = audit(all_mechanisms(narrow_bfloat16 + more));
    EXPECT_EQ(failed(checks), "") << failed_gates(checks, 1);
  }
}

TEST(PlantedFault, AGradientThatIsOffInBFloat16AloneIsCaughtInANarrowModel) {
  for (const auto& [name, factor] :
       std::vector<std::pair<std::string, double>>{{"transformer.h.1.attn.k_down.weight", 1.6},
                                                   {"transformer.h.0.ln_1.weight", 1.6},
                                                   {"transformer.wpe.weight", 1.6}}) {
    Subject off = program();
    off.logits = [name = name, factor = factor](const Config& config, const ParameterSet& parameters,
                                                const Tensor& tokens, const Dropout& dropout) {
      const Tensor logits = program().logits(config, parameters, tokens, dropout);
      const auto named = parameters.by_name();
      if (const auto found = named.find(name);
          found != named.end() && at::GradMode::is_enabled() && found->second.scalar_type() != at::kDouble)
        found->second.register_hook([factor](const Tensor& gradient) { return gradient * factor; });
      return logits;
    };
    EXPECT_TRUE(fails(audit(all_mechanisms(narrow_bfloat16), off), "arithmetic", name.c_str())) << name;
  }
}

TEST(Gates, SayThatOtherSamplesAreAskedFor) {
  const auto checks = audit(all_mechanisms({{"GPT2_BLOCK_SIZE", "300"}}));
  EXPECT_NE(detail(checks, "pairing").find("its samples are others"), std::string::npos);
}

TEST(Gates, SayThatALeakIsAllowed) {
  const auto checks =
      audit(small_config({{"RA_MLA_MLP_ATTN_GATE", "y"}, {"RA_MLA_MLP_GATE_POOL", "sequence"}}));
  EXPECT_EQ(failed(checks), "");
  EXPECT_NE(detail(checks, "causality").find("NOT CAUSAL"), std::string::npos);
}

// --- Planted faults

TEST(PlantedFault, ADeadTwinThatIsNotDeclaredIsCaught) {
  const Deltas zero{
      {"RA_MLA_MLP_GATE_ALPHA", "0"}, {"RA_MLA_MLP_CROSS_ALPHA", "0"}, {"RA_MLA_MLP_RECIP_ALPHA", "0"}};
  const auto checks = audit(all_mechanisms(zero));
  EXPECT_EQ(failed(checks), "liveness dead_parameters every_layer");
  EXPECT_NE(detail(checks, "liveness").find("gate is DEAD"), std::string::npos);
  EXPECT_NE(detail(checks, "dead_parameters").find("mlp.cross_proj.weight"), std::string::npos);
  EXPECT_EQ(failed(audit(all_mechanisms(zero), program(), /*twin=*/true)), "") << "a declared one is exempt";
}

TEST(PlantedFault, ADeclaredDeadTwinThatLivesIsCaught) {
  EXPECT_EQ(failed(audit(all_mechanisms(), program(), /*twin=*/true)), "dead_twin");
}

TEST(PlantedFault, OneMechanismOfSeveralThatNothingCallsIsCaught) {
  struct Case {
    const char* name;
    void (*forget)(Config&);
  };
  for (const auto& [name, forget] :
       {Case{"gate", [](Config& c) { c.gate.enabled = false; }},
        Case{"cross-token aggregation", [](Config& c) { c.cross.enabled = false; }},
        Case{"latent reciprocity", [](Config& c) { c.coupler.enabled = false; }},
        Case{"reciprocal attention", [](Config& c) { c.attention.reciprocal_alpha = 0; }}}) {
    SCOPED_TRACE(name);
    Subject subject = program();
    const auto forgotten = [forget = forget](Config config) {
      forget(config);
      return config;
    };
    subject.logits = [=](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                         const Dropout& dropout) {
      return program().logits(forgotten(config), parameters, tokens, dropout);
    };
    subject.decoded_logits = [=](const Config& config, const ParameterSet& parameters, const Tensor& tokens) {
      return program().decoded_logits(forgotten(config), parameters, tokens);
    };
    const auto checks = audit(all_mechanisms({{"RA_MLA_RA_ALPHA", "0.5"}}), subject);
    const bool has_parameters = std::string_view(name) != "reciprocal attention";
    const std::string expected = has_parameters ? "liveness dead_parameters every_layer" : "liveness";
    // The loop still calls it: where that shows at initial values, its loss is not the model's.
    EXPECT_TRUE(failed(checks) == expected || failed(checks) == expected + " evaluation") << failed(checks);
    EXPECT_NE(detail(checks, "liveness").find(str(name, " is DEAD")), std::string::npos)
        << detail(checks, "liveness");
  }
}

// With one map for both directions, the other keeps its parameters alive.
TEST(PlantedFault, OneDirectionOfATiedCouplerThatNothingCallsIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    if (!config.coupler.enabled || config.gpt.num_layers == 1)
      return program().logits(config, parameters, tokens, dropout);
    Config split = config;  // the same numbers in two maps, and the context's is 0
    split.coupler.tying = Tying::kUntied;
    split.coupler.bottleneck = 0;
    const auto given = parameters.by_name();
    const ParameterSet two =
        ParameterSet(model_parameters(split)).to(at::kCPU, parameters.tensors()[0].scalar_type());
    for (const auto& [name, tensor] : two.by_name()) {
      const auto same = given.find(name);
      if (same != given.end())
        tensor.detach().copy_(same->second.detach());
      else if (name.find("attn_to_mlp") != std::string::npos)
        tensor.detach().copy_(given.at(name.substr(0, name.find("attn_to_mlp")) + "W").detach());
    }
    return program().logits(split, two, tokens, dropout);
  };
  const auto checks = audit(all_mechanisms(), subject);
  EXPECT_NE(failed(checks).find("liveness"), std::string::npos);
  EXPECT_NE(detail(checks, "liveness").find("latent reciprocity, MLP to attention is DEAD"),
            std::string::npos)
      << detail(checks, "liveness");
}

// No planted fault: with one head the gate scales all that the second norm then divides by its own size.
TEST(Gates, FindAGateThatTheNormAfterItUndoes) {
  const Deltas one_head{{"NORM_PLACEMENT", "hybrid"}, {"GPT2_N_HEAD", "1"}};
  const auto checks = audit(all_mechanisms(one_head));
  EXPECT_EQ(failed(checks), "liveness");
  EXPECT_NE(detail(checks, "liveness").find("gate is DEAD"), std::string::npos);
}

TEST(PlantedFault, AParameterThatNothingReadsIsCaught) {
  Subject subject = program();
  subject.parameters = [](const Config& config) {
    auto all = model_parameters(config);
    all.owned.push_back({"transformer.h.1.mlp.forgotten.weight", {3, 4}, 0, 0.02, Part::kMlp});
    return all;
  };
  const auto checks = audit(all_mechanisms(), subject);
  EXPECT_EQ(failed(checks), "off_identity dead_parameters every_layer evaluation");
  EXPECT_EQ(detail(checks, "dead_parameters"), "without a gradient: transformer.h.1.mlp.forgotten.weight");
}

// Position t reads a little of token t + 1.
TEST(PlantedFault, ALeakIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    const Tensor logits = program().logits(config, parameters, tokens, dropout);
    const Tensor ahead = at::roll(tokens, -1, 1).to(logits.scalar_type()).unsqueeze(-1);
    return config.gate.enabled ? logits + 1e-4 * ahead : logits;
  };
  const auto checks = audit(all_mechanisms(), subject);
  EXPECT_EQ(failed(checks), "causality decode_parity");
  EXPECT_NE(detail(checks, "causality").find("sees tokens from"), std::string::npos);
}

// RA_MLA_ALLOW_NONCAUSAL allows the pooling that is meant to see the future, and nothing else.
TEST(PlantedFault, ALeakIsCaughtWhereAnotherOneIsAllowed) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    const Tensor logits = program().logits(config, parameters, tokens, dropout);
    return logits + 1e-4 * at::roll(tokens, -1, 1).to(logits.scalar_type()).unsqueeze(-1);
  };
  const auto checks = audit(all_mechanisms({{"RA_MLA_ALLOW_NONCAUSAL", "y"}}), subject);
  EXPECT_NE(failed(checks).find("causality"), std::string::npos);
}

// In evaluation nothing leaks: only the pass with dropout does.
TEST(PlantedFault, ALeakInTrainingAloneIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    const Tensor logits = program().logits(config, parameters, tokens, dropout);
    const Tensor ones = at::ones({tokens.size(0), 4096}, logits.scalar_type());
    const bool training = dropout.apply(ones, "probe").eq(0).any().item<bool>();
    return training ? logits + 1e-4 * at::roll(tokens, -1, 1).to(logits.scalar_type()).unsqueeze(-1) : logits;
  };
  const auto checks = audit(all_mechanisms({{"GPT2_DROPOUT", "0.1"}}), subject);
  EXPECT_EQ(failed(checks), "causality");
  EXPECT_NE(detail(checks, "causality").find("in training"), std::string::npos);
}

TEST(PlantedFault, AModelThatIsNotPlainWhenOffIsCaught) {
  Subject subject = program();
  subject.logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                      const Dropout& dropout) {
    return program().logits(config, parameters, tokens, dropout) * (1 + 1e-6);
  };
  EXPECT_NE(failed(audit(all_mechanisms(), subject)).find("off_identity"), std::string::npos);
}

// Values from one running generator: a parameter more moves all that come after it.
TEST(PlantedFault, InitialValuesThatDependOnTheOrderOfConstructionAreCaught) {
  Subject subject = program();
  subject.initial_values = [](const Config& config, std::uint64_t seed) {
    ParameterSet parameters(model_parameters(config));
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    const at::NoGradGuard no_grad;
    for (auto tensor : parameters.tensors()) tensor.normal_(0, 0.02, generator);
    return parameters;
  };
  const auto checks = audit(all_mechanisms(), subject);
  EXPECT_EQ(failed(checks), "initial_values pairing") << "norms don't start at 1";
  EXPECT_NE(detail(checks, "pairing").find("starts from other values"), std::string::npos);
}

TEST(PlantedFault, ADecoderThatIsALittleOffIsCaught) {
  for (const bool in_double : {false, true}) {
    Subject subject = program();
    subject.decoded_logits = [=](const Config& config, const ParameterSet& parameters, const Tensor& tokens) {
      const Tensor logits = program().decoded_logits(config, parameters, tokens);
      const bool wide = logits.scalar_type() == at::kDouble;
      if (wide != in_double) return logits;
      return logits * (1 + (wide ? 1e-8 : 3e-3));
    };
    EXPECT_EQ(failed(audit(all_mechanisms(), subject)), "decode_parity");
  }
}

TEST(PlantedFault, ADecoderThatIsWrongAtOnePositionIsCaught) {
  const Config config = all_mechanisms({{"RA_MLA_MLP_SPARSE_MODE", "topk"}});
  Subject subject = program();
  subject.decoded_logits = [](const Config& c, const ParameterSet& parameters, const Tensor& tokens) {
    Tensor logits = program().decoded_logits(c, parameters, tokens).clone();
    // One position of one sequence: as few as a tie may be. In float32 another rule would see it.
    if (logits.scalar_type() == at::kDouble) logits[0][logits.size(1) - 1].mul_(1.5);
    return logits;
  };
  EXPECT_EQ(failed(audit(config, subject)), "decode_parity");
}

// What nothing reads, and what only rounds a little otherwise, is no dead switch.
TEST(Gates, AskNothingOfSymbolsThatAreNotRead) {
  using Steps = std::pair<Deltas, Deltas>;
  for (const auto& [of_baseline, of_step] :
       {Steps{{{"RA_MLA_SHARED_KV", "y"}}, {{"ENABLE_RA_MLA", "n"}}},
        Steps{{{"RA_MLA_PER_HEAD_V_UP", "n"}}, {{"ENABLE_RA_MLA", "n"}}},
        Steps{{{"GPT2_ACTIVATION", "gelu_tanh"}}, {{"MLP_EXPANSION", "0"}}},
        Steps{{{"RA_MLA_SHARED_KV", "y"}}, {{"GPT2_ATTENTION", "n"}}},
        Steps{{{"RA_MLA_PER_HEAD_Q_LATENT", "n"}, {"GPT2_BLOCK_SIZE", "1"}}, {{"GPT2_BLOCK_SIZE", "1"}}},
        Steps{{{"GPT2_N_EMBD", "128"}, {"GPT2_N_HEAD", "4"}},
              {{"GPT2_N_EMBD", "128"}, {"GPT2_N_HEAD", "4"}, {"GPT2_ACTIVATION", "gelu_tanh"}}}}) {
    const Config base = small_config(mechanisms(false, false, false) + of_baseline),
                 step = small_config(mechanisms(false, false, false) + of_step);
    const auto checks = audit_step({1, step, false}, {0, base, false});
    EXPECT_EQ(failed(checks), "") << of_step.back().first << ": " << failed_gates(checks, 1);
  }
}

TEST(PlantedFault, ASwitchOfNoMechanismThatNothingReadsIsCaught) {
  const auto ignoring = [](const char* symbol, const Config& usual) {
    Subject subject = program();
    subject.logits = [=](const Config& config, const ParameterSet& parameters, const Tensor& tokens,
                         const Dropout& dropout) {
      return program().logits(with_value_of(config, usual, symbol), parameters, tokens, dropout);
    };
    return subject;
  };
  const Config usual = small_config(mechanisms(false, false, false));
  for (const auto& [symbol, value] :
       {std::pair{"NORM_PLACEMENT", "post"}, {"GPT2_ACTIVATION", "gelu_tanh"}, {"GPT2_WEIGHT_TYING", "n"}}) {
    const Config config = small_config(mechanisms(false, false, false) + Deltas{{symbol, value}});
    EXPECT_EQ(failed(audit(config)), "") << symbol;
    EXPECT_NE(detail(audit(config), "symbols").find(symbol), std::string::npos);
    if (symbol == std::string("GPT2_WEIGHT_TYING"))
      continue;  // its head has no use then: other gates see it too
    EXPECT_TRUE(fails(audit(config, ignoring(symbol, usual)), "symbols", symbol)) << symbol;
  }
}

TEST(PlantedFault, ASampleOrderThatDependsOnTheArmIsCaught) {
  Subject subject = program();
  subject.sample_starts = [](const Config& config, std::int64_t seed, std::int64_t tokens,
                             std::int64_t count) {
    return program().sample_starts(config, seed + (config.gate.enabled ? 1 : 0), tokens, count);
  };
  const auto checks = audit(all_mechanisms(), subject);
  EXPECT_EQ(failed(checks), "pairing");
  EXPECT_NE(detail(checks, "pairing").find("other samples"), std::string::npos);
}

TEST(PlantedFault, ADecoderOfAnotherModelIsCaught) {
  Subject subject = program();
  subject.decoded_logits = [](const Config& config, const ParameterSet& parameters, const Tensor& tokens) {
    Config other = config;
    other.gate.alpha *= 1.001;
    return program().decoded_logits(other, parameters, tokens);
  };
  EXPECT_EQ(failed(audit(all_mechanisms(), subject)), "decode_parity");
}

// --- Cutting

TEST(Cut, KeepsSwitchesAndMakesTheSeedsModelSmall) {
  const Config full = configure({});
  const Config small = cut({full})[0];
  EXPECT_LT(parameter_count(small), 1000000);
  EXPECT_EQ(small.gpt.num_heads, full.gpt.num_heads);
  EXPECT_EQ(small.gpt.num_layers, 3);
  for (const auto& [before, after] :
       {std::pair{full.gate.alpha, small.gate.alpha}, std::pair{full.cross.alpha, small.cross.alpha},
        std::pair{full.coupler.alpha, small.coupler.alpha}})
    EXPECT_EQ(before, after);
  EXPECT_TRUE(small.gate.enabled && small.cross.enabled && small.coupler.enabled && small.gpt.bias);
  EXPECT_EQ(small.cross.top_k, full.cross.top_k);
}

TEST(Cut, LeavesWidthsThatMustDivideValid) {
  const Deltas scalar{{"RA_MLA_MLP_TYING_MODE", "per_head_scalar"}, {"RA_MLA_MLP_SPARSE_HEAD_AVERAGE", "n"}};
  for (const auto& more :
       {Deltas{}, Deltas{{"MLP_EXPANSION", "3"}},
        Deltas{{"GPT2_N_EMBD", "96"}, {"MLP_EXPANSION", "2.75"}, {"RA_MLA_LATENT_DIM", "24"}}})
    EXPECT_NO_THROW(validate(cut({configure(scalar + more)})[0]));
}

}  // namespace
}  // namespace kablate
