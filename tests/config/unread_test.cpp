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
  EXPECT_EQ(advice("DATA_PATH"), "DATASET = text or bin");
  EXPECT_EQ(advice("ABLATION_PLAN", {{"RA_MLA_ABLATION_MODE", "n"}}), "RA_MLA_ABLATION_MODE = y");
  EXPECT_EQ(advice("RA_MLA_MLP_GATE_DIM", mechanisms(false, true, true)), "RA_MLA_MLP_ATTN_GATE = y");
  EXPECT_EQ(advice("SPAM_THETA", {{"OPTIMIZER", "adamw"}}), "OPTIMIZER = adamwspam");
  EXPECT_EQ(advice("RA_MLA_RA_WINDOW"), "RA_MLA_RA_ALPHA = 0.1");
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
  auto settings = changed(Settings::defaults(), mechanisms(false, true, true));
  settings.set("RA_MLA_MLP_GATE_DIM", "8", "/c:3");
  EXPECT_NO_THROW(check_read(settings)) << "a file's value";
  settings.set("RA_MLA_MLP_GATE_DIM", "8", "--set");
  expect_error([&] { check_read(settings); },
               {"--set: RA_MLA_MLP_GATE_DIM = \"8\"", "nothing reads it", "set RA_MLA_MLP_ATTN_GATE = y"});
  settings.set("RA_MLA_MLP_ATTN_GATE", "y", "--set");
  EXPECT_NO_THROW(check_read(settings));
}

}  // namespace
}  // namespace kablate
