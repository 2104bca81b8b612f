#include "config/settings.h"

#include <gtest/gtest.h>

#include <set>

#include "config/binding.h"
#include "support/core/expect_error.h"

namespace kablate {
namespace {

using testing_support::expect_error;

TEST(Symbols, AreEachBoundToOneField) {
  std::set<std::string> bound, listed;
  for (const auto& field : field_values(Settings::defaults().bind()))
    EXPECT_TRUE(bound.insert(field.symbol).second);
  for (const auto& symbol : symbols()) EXPECT_TRUE(listed.insert(symbol.name).second) << symbol.name;
  EXPECT_EQ(bound, listed);
}

TEST(Symbols, HaveDefaultsOfTheSpecification) {
  const auto c = Settings::defaults().bind();
  EXPECT_TRUE(c.attention.latent && c.gate.enabled && c.cross.enabled && c.coupler.enabled && c.run.ablation);
  EXPECT_EQ(c.gpt.num_layers, 12);
  EXPECT_EQ(c.gpt.width, 768);
  EXPECT_EQ(c.gpt.vocabulary, 50304);
  EXPECT_EQ(c.attention.latent_dim.at(0), 128);
  EXPECT_EQ(c.gate.alpha, 0.1);
  EXPECT_EQ(c.cross.alpha, 0.3);
  EXPECT_EQ(c.coupler.alpha, 0.2);
  EXPECT_EQ(c.coupler.tying, Tying::kTiedTranspose);
  EXPECT_EQ(c.cross.sparsity, Sparsity::kTopK);
  EXPECT_EQ(c.optim.kind, OptimizerKind::kAdamWSpam);
  EXPECT_EQ(c.optim.spam_warmup_steps, 100);
  EXPECT_EQ(c.optim.epsilon, 1e-8);
  EXPECT_EQ(c.train.max_iters, 10400);
  EXPECT_EQ(c.run.seeds, "1-3");
  EXPECT_NO_THROW(validate(c));
}

// For every choice: each of its values is set, bound and printed as itself.
TEST(Choices, KeepEveryValue) {
  for (const auto& symbol : symbols()) {
    for (const auto& [value, member] : symbol.members) {
      auto settings = Settings::defaults();
      settings.set(symbol.name, value, "test");
      for (const auto& field : field_values(settings.bind())) {
        if (field.symbol != symbol.name) continue;
        EXPECT_EQ(field.text, value);
      }
    }
  }
}

TEST(Settings, TakeAValueWithItsOrigin) {
  auto settings = Settings::defaults();
  settings.set_assignment("DATA_PATH=/a b/c=d", "--set");
  EXPECT_EQ(settings.text("DATA_PATH"), "/a b/c=d") << "only the first = separates";
  EXPECT_EQ(settings.origin("DATA_PATH"), "--set");
  EXPECT_EQ(settings.origin("SEEDS"), "the menu's default");
}

TEST(Settings, RefuseWhatCannotBe) {
  const auto set = [](const char* assignment) {
    auto settings = Settings::defaults();
    settings.set_assignment(assignment, "--set");
    settings.bind();
  };
  expect_error([&] { set("GPT2_N_LAYER"); }, {"--set", "SYMBOL=VALUE"});
  expect_error([&] { set("=3"); }, {"--set"});
  expect_error([&] { set("CONFIG_GPT2_N_LAYER=3"); }, {"--set", "did you mean GPT2_N_LAYER?"});
  expect_error([&] { set("gpt2_n_layer=3"); }, {"did you mean GPT2_N_LAYER?"});
  expect_error([&] { set("BATCH_SIZE=3"); }, {"here it is GPT2_BATCH_SIZE"});
  expect_error([&] { set("GPT2_N_HEADS=3"); }, {"did you mean GPT2_N_HEAD?"});
  expect_error([&] { set("GPT2_N_LAYER=0"); }, {"--set: GPT2_N_LAYER = \"0\"", "from 1 to 4096"});
  expect_error([&] { set("GPT2_BIAS=yes"); }, {"\"yes\"", "y or n"});
  expect_error([&] { set("OPTIMIZER=OPTIMIZER_ADAMW"); }, {"adamwspam, adamw"});
  expect_error([&] { set("OPTIMIZER_ADAMW=y"); }, {"write OPTIMIZER=adamw"});
  expect_error([&] { set("EXPERIMENT_NAME=a\nb"); }, {"a line of text"});
  expect_error([&] { set("GPT2_DROPOUT=1"); }, {"--set: GPT2_DROPOUT = \"1\"", ">= 0 and < 1"});
  expect_error([&] { set("GPT2_LEARNING_RATE=0"); }, {"GPT2_LEARNING_RATE", "> 0"});
  expect_error([&] { set("ADAM_BETA2=1.0"); }, {"ADAM_BETA2", "< 1"});
  expect_error([&] { set("GRAD_CLIP=-1"); }, {"GRAD_CLIP", ">= 0"});
  expect_error([&] { set("RA_MLA_MLP_GATE_ALPHA=nan"); }, {"RA_MLA_MLP_GATE_ALPHA = \"nan\""});
  EXPECT_NO_THROW(set("RA_MLA_MLP_GATE_ALPHA=-0.5"));
  for (const char* list : {"MLP_EXPANSION=4,,3", "MLP_EXPANSION=4,1025", "MLP_EXPANSION=4,",
                           "MLP_EXPANSION=", "MLP_EXPANSION= 4", "MLP_EXPANSION=4,x"})
    expect_error([&] { set(list); }, {"--set: MLP_EXPANSION = \"", ">= 0 and <= 1024", "as a list"});
  EXPECT_NO_THROW(set("MLP_EXPANSION=4, 0,3.5"));
  for (const char* list : {"RA_MLA_LATENT_DIM=8,,4", "RA_MLA_LATENT_DIM=0", "RA_MLA_LATENT_DIM=8,1048577",
                           "RA_MLA_LATENT_DIM=8.5", "RA_MLA_LATENT_DIM= 8", "RA_MLA_LATENT_DIM="})
    expect_error([&] { set(list); }, {"--set: RA_MLA_LATENT_DIM = \"", "from 1 to 1048576", "as a list"});
  EXPECT_NO_THROW(set("RA_MLA_LATENT_DIM=8, 4,2"));
}

TEST(Settings, TakeOneValueFromACommandLine) {
  auto settings = Settings::defaults();
  settings.set("SEEDS", "1-2", "/c:3");
  settings.set("SEEDS", "3", "--set");
  settings.set("SEEDS", "3", "--seeds");  // the same
  expect_error([&] { settings.set("SEEDS", "4", "--seeds"); },
               {"--seeds: SEEDS = \"4\": --seeds gives it too, as \"3\"; leave one"});
  settings.set_assignment("GPT2_N_LAYER=2", "--set");
  expect_error([&] { settings.set_assignment("GPT2_N_LAYER=3", "--set"); }, {"--set gives it too, as \"2\""});
  settings.set("GPT2_N_LAYER", "3", "plan.yaml:4");
}

TEST(FieldValues, AreSpelledInOneWay) {
  const auto text = [](const char* symbol, const char* value) {
    auto settings = Settings::defaults();
    settings.set(symbol, value, "test");
    for (const auto& field : field_values(settings.bind()))
      if (field.symbol == symbol) return field.text;
    return std::string();
  };
  for (const auto* value : {"0.10", "1e-1", "0.1", "10e-2"})
    EXPECT_EQ(text("GPT2_DROPOUT", value), "0.1") << value;
  EXPECT_EQ(text("GRAD_CLIP", "-0.0"), text("GRAD_CLIP", "0"));
  EXPECT_EQ(text("SEEDS", "1, 2"), "1, 2");
  EXPECT_EQ(text("MLP_EXPANSION", "4.0, 3 ,0"), "4,3,0");
  EXPECT_EQ(text("MLP_EXPANSION", "4,4.0,4"), "4") << "equal numbers are one";
  EXPECT_EQ(text("RA_MLA_LATENT_DIM", "8, 4"), "8,4");
  EXPECT_EQ(text("RA_MLA_LATENT_DIM", "8,8"), "8");
}

}  // namespace
}  // namespace kablate
