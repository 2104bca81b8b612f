// Gates on autoencoders: the program passes, and one that says tokens from more than one state is caught.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "support/engine/audited.h"

namespace kablate {
namespace {

Config compressing(const Deltas& more = {}) {
  return small_config(mechanisms(false, false, false) +
                      Deltas{{"DATASET", "compression"},
                             {"AUTOENCODER", "y"},
                             {"GPT2_BLOCK_SIZE", "20"},
                             {"SYNTHETIC_VOCAB_SIZE", "16"},
                             {"GPT2_VOCAB_SIZE", "16"}} +
                      more);
}

std::vector<GateCheck> audited(const Config& config, const Subject& subject = program()) {
  return audit_step({1, config, false}, {0, compressing(), false}, subject);
}

TEST(BottleneckGate, PassesOnTheProgram) {
  for (const Deltas& deltas :
       {Deltas{}, mechanisms(true, true, true), Deltas{{"DTYPE", "bfloat16"}, {"GPT2_DROPOUT", "0.1"}},
        Deltas{{"ENABLE_RA_MLA", "n"}, {"POSITIONS", "rotary"}, {"GPT2_ACTIVATION", "swiglu"}},
        // Heads of 5 channels, which alone could not be rotated.
        Deltas{
            {"POSITIONS", "rotary"}, {"RA_MLA_ROPE_DIM", "2"}, {"GPT2_N_HEAD", "4"}, {"GPT2_N_EMBD", "20"}},
        Deltas{{"LORA_FREEZE_BASE_AT", "2"}}, Deltas{{"GPT2_ATTENTION", "n"}}, Deltas{{"MLP_EXPERTS", "3"}},
        mechanisms(true, false, false) +
            Deltas{{"PRUNE", "magnitude"}, {"PRUNE_END", "9"}, {"PRUNE_INTERVAL", "9"}}}) {
    const auto checks = audited(compressing(deltas));
    EXPECT_EQ(failed(checks), "");
    for (const char* gate : {"bottleneck", "labels", "objective", "causality"})
      EXPECT_NE(detail(checks, gate), "") << gate;
    EXPECT_EQ(detail(checks, "decode_parity"), "");
  }
  EXPECT_EQ(detail(audited(small_config(mechanisms(false, false, false))), "bottleneck"), "");
}

TEST(BottleneckGate, APositionThatReadsItsOwnTokenIsCaught) {
  const auto peeking = with_logits([](const Tensor& logits, const Config& config,
                                      const ParameterSet& parameters, const Tensor& tokens, const Dropout&) {
    if (!config.gpt.autoencoder) return logits;
    return logits + 1e-3 * at::embedding(parameters["transformer.wte.weight"], tokens).sum(2, true);
  });
  EXPECT_TRUE(fails(audited(compressing(), peeking), "bottleneck", "more than the last state"));
}

TEST(BottleneckGate, AReadingOfTheLastTokenButOneIsCaught) {
  const auto wider = with_logits([](const Tensor& logits, const Config& config,
                                    const ParameterSet& parameters, const Tensor& tokens, const Dropout&) {
    if (!config.gpt.autoencoder) return logits;
    const Tensor one = tokens.narrow(1, tokens.size(1) - 2, 1);
    return logits + 1e-3 * at::embedding(parameters["transformer.wte.weight"], one).sum(2, true);
  });
  EXPECT_TRUE(fails(audited(compressing(), wider), "bottleneck", "more than the last state"));
}

TEST(BottleneckGate, APositionThatReadsNothingIsCaught) {
  const auto deaf = with_logits(
      [](const Tensor& logits, const Config& config, const ParameterSet&, const Tensor&, const Dropout&) {
        if (!config.gpt.autoencoder) return logits;
        return at::cat({logits.narrow(1, 0, 1) * 0 + 1, logits.narrow(1, 1, logits.size(1) - 1)}, 1);
      });
  EXPECT_TRUE(fails(audited(compressing(), deaf), "bottleneck", "position 0 does not hang on token"));
}

// Its blocks are looked at without the decoder.
TEST(BottleneckGate, BlocksThatSeeTheFutureAreCaught) {
  const auto other = with_logits(
      [](const Tensor& logits, const Config& config, const ParameterSet&, const Tensor&, const Dropout&) {
        return config.gpt.autoencoder ? logits : logits + logits.mean(1, true);
      });
  EXPECT_TRUE(fails(audited(compressing(), other), "causality", "sees tokens"));
}

}  // namespace
}  // namespace kablate
