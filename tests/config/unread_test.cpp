#include "config/unread.h"

#include <gtest/gtest.h>

#include "support/configure.h"
#include "support/core/expect_error.h"

namespace kablate {
namespace {

using testing_support::expect_error;

std::string advice(std::string_view symbol, const Deltas& deltas = {}) {
  return what_would_read(symbol, {changed(Settings::defaults(), deltas)});
}

TEST(Unread, NamesTheChangeThatWouldMakeASymbolBeRead) {
  EXPECT_EQ(advice("DATA_PATH"), "DATASET = text or bin or lines");
  EXPECT_EQ(advice("TOKENIZER", {{"DATASET", "bin"}}), "DATASET = shakespeare or text");
  EXPECT_EQ(advice("MQAR_PAIRS"), "DATASET = mqar");
  EXPECT_EQ(advice("SYNTHETIC_NOISE", {{"DATASET", "mqar"}}), "DATASET = noisy_recall");
  EXPECT_EQ(advice("ABLATION_PLAN", {{"RA_MLA_ABLATION_MODE", "n"}}), "RA_MLA_ABLATION_MODE = y");
  EXPECT_EQ(advice("RA_MLA_MLP_GATE_DIM", mechanisms(false, true, true)), "RA_MLA_MLP_ATTN_GATE = y");
  EXPECT_EQ(advice("SPAM_THETA", {{"OPTIMIZER", "adamw"}}), "OPTIMIZER = adamwspam");
  EXPECT_EQ(advice("MASK_SCHEDULE"), "OBJECTIVE = masked_token");
  EXPECT_EQ(advice("MASK_RATE", {{"OBJECTIVE", "masked_token"}, {"MASK_SCHEDULE", "uniform"}}),
            "MASK_SCHEDULE = fixed");
  EXPECT_EQ(advice("CRITIC_WEIGHT"), "CRITIC = y");
  EXPECT_EQ(advice("ROPE_BASE"), "POSITIONS = rotary");
  EXPECT_EQ(advice("RA_MLA_RA_WINDOW"), "RA_MLA_RA_ALPHA = 0.1");
  EXPECT_EQ(advice("MLP_SHARE_PATTERN"), "MLP_SHARE_LAYERS = 2");
  EXPECT_EQ(advice("MLP_SHARE_HEADS"), "MLP_PER_HEAD = y");
  EXPECT_EQ(advice("RA_MLA_MLP_SPARSE_NORMALIZE", {{"RA_MLA_MLP_SPARSE_MODE", "none"}}),
            "RA_MLA_MLP_SPARSE_MODE = topk or rms");
  EXPECT_EQ(advice("RA_MLA_MLP_SPARSE_RMS_THRESHOLD", mechanisms(true, false, true)),
            "RA_MLA_MLP_CROSS_TOKEN = y with RA_MLA_MLP_SPARSE_MODE = rms");
}

// Whatever unused_symbols() may name, one or two changes of one symbol each make it be read.
TEST(Unread, HasAdviceForEverySymbol) {
  const auto bare =
      changed(Settings::defaults(),
              mechanisms(false, false, false) +
                  Deltas{{"OPTIMIZER", "adamw"}, {"GPT2_DECAY_LR", "n"}, {"RA_MLA_MLP_SPARSE_MODE", "none"}});
  const auto unread = unread_symbols(bare.bind());
  EXPECT_GT(unread.size(), 20u);
  for (const auto& symbol : unread) EXPECT_NE(what_would_read(symbol, {bare}), "") << symbol;
}

TEST(Unread, OnACommandLineIsAnError) {
  const auto check = [](const Settings& settings) {
    check_read(settings, "logits", {"DEVICE", "DATA_PATH"});
  };
  auto settings = changed(Settings::defaults(), mechanisms(false, true, true));
  settings.set("RA_MLA_MLP_GATE_DIM", "8", "/c:3");
  EXPECT_NO_THROW(check(settings)) << "a file's value";
  settings.set("RA_MLA_MLP_GATE_DIM", "8", "--set");
  expect_error([&] { check(settings); },
               {"--set: RA_MLA_MLP_GATE_DIM = \"8\"", "nothing reads it", "set RA_MLA_MLP_ATTN_GATE = y"});
  settings.set("RA_MLA_MLP_ATTN_GATE", "y", "--set");
  settings.set("DEVICE", "cpu", "--set");
  EXPECT_NO_THROW(check(settings));
  auto masked = settings;
  masked.set("OBJECTIVE", "masked_token", "--set"),
      masked.set("ATTENTION_DIRECTION", "bidirectional", "--set");
  masked.set("CRITIC", "y", "--set");
  EXPECT_NO_THROW(check(masked)) << "the model's";
  masked.set("MASK_RATE", "0.3", "--set");
  expect_error([&] { check(masked); }, {"MASK_RATE = \"0.3\"", "`kablate logits` does not read it"});
  settings.set("DATA_PATH", "x", "--set");
  expect_error([&] { check(settings); },
               {"DATA_PATH = \"x\": nothing reads it", "DATASET = text or bin or lines"});
}

TEST(Unread, BesideTheModelIsAnErrorForACommandThatTrainsNothing) {
  for (const auto* assignment : {"SEEDS=9", "GPT2_MAX_ITERS=4", "GPT2_LEARNING_RATE=1e-3", "DATA_SEED=2",
                                 "DTYPE=bfloat16", "RECOMPUTE=y", "DEVICE=cpu"}) {
    auto settings = Settings::defaults();
    settings.set_assignment(assignment, "--set");
    expect_error([&] { check_read(settings, "init", {}); },
                 {"`kablate init` does not read it; leave it out"});
  }
  for (const auto* assignment : {"GPT2_N_LAYER=3", "RA_MLA_LATENT_DIM=8", "MLP_EXPANSION=2"}) {
    auto settings = Settings::defaults();
    settings.set_assignment(assignment, "--set");
    EXPECT_NO_THROW(check_read(settings, "init", {})) << assignment;
  }
}

}  // namespace
}  // namespace kablate
