#include "plan/key.h"
#include "config/config.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "config/settings.h"

namespace kablate {
namespace {

Config config(std::initializer_list<const char*> assignments = {}) {
  auto settings = Settings::defaults();
  for (const auto* assignment : assignments) settings.set_assignment(assignment, "test");
  return settings.bind();
}

const KeyContext kContext{.data_hash = "d",
                          .threads = 1,
                          .ranks = 1,
                          .device = "cpu",
                          .kernels = "avx2",
                          .torch_version = "2",
                          .build = {"s", "c", "f"}};

std::string key(const Config& config, const KeyContext& context = kContext, std::int64_t seed = 1) {
  return key_of(key_text(config, 0, 0, seed, context));
}

TEST(Key, DoesNotDependOnSpelling) {
  const auto plain = key(config());
  EXPECT_EQ(plain, key(config({"GPT2_DROPOUT=1e-1", "GPT2_LEARNING_RATE=0.0006", "RA_MLA_RA_ALPHA=0"})));
  EXPECT_EQ(plain, key(config({"MLP_EXPANSION=4,4,4,4,4,4,4,4,4,4,4,4.0"})));
  const auto of_keys = [](const char* heads) {
    return key(config({"ENABLE_RA_MLA=n", "RA_MLA_MLP_LATENT_RECIP=n", heads}));
  };
  EXPECT_EQ(of_keys("GPT2_N_KV_HEAD=0"), of_keys("GPT2_N_KV_HEAD=12"));
  EXPECT_NE(of_keys("GPT2_N_KV_HEAD=0"), of_keys("GPT2_N_KV_HEAD=6"));
}

TEST(Key, DoesNotDependOnWhereAndHowMuchIsRun) {
  const auto plain = key(config());
  EXPECT_EQ(plain, key(config({"EXPERIMENT_NAME=other", "SEEDS=4-9", "RA_MLA_ABLATION_STEPS=1",
                               "PARALLEL_TRIALS=7", "THREADS=3", "RANKS=2", "DEVICE=cuda", "KERNELS=portable",
                               "DATA_PATH=/elsewhere", "RA_MLA_ALLOW_NONCAUSAL=y"})));
}

// Whatever can change the numbers changes the key: every such symbol that is read under this configuration.
TEST(Key, DependsOnEverySymbolThatIsRead) {
  constexpr std::int64_t kSeed = 7;  // no value below is 7, which DATA_SEED would make the same as 0
  const auto base = config();
  const auto plain = key(base, kContext, kSeed);
  const auto unused = unused_symbols(base);
  int checked = 0;
  for (const auto& field : field_values(base)) {
    if (field.scope != Scope::kNumbers) continue;
    const auto* symbol = find_symbol(field.symbol);
    auto settings = Settings::defaults();
    std::string value;
    switch (symbol->type) {
      case SymbolType::kBool:
        value = field.text == "y" ? "n" : "y";
        break;
      case SymbolType::kInt:
        value = std::to_string(std::stoll(field.text) + 1);
        break;
      case SymbolType::kString:
        value = is_list_of_whole_numbers(field.symbol) ? "3" : "0.03125";
        break;
      case SymbolType::kChoice:
        for (const auto& [name, member] : symbol->members)
          if (name != field.text) value = name;
    }
    settings.set(field.symbol, value, "test");
    const bool read = std::find(unused.begin(), unused.end(), field.symbol) == unused.end();
    EXPECT_EQ(key(settings.bind(), kContext, kSeed) != plain, read) << field.symbol << " = " << value;
    ++checked;
  }
  EXPECT_GT(checked, 50);
}

TEST(Key, LeavesOutWhatNothingReads) {
  EXPECT_EQ(key(config({"RA_MLA_MLP_ATTN_GATE=n"})),
            key(config({"RA_MLA_MLP_ATTN_GATE=n", "RA_MLA_MLP_GATE_ALPHA=0.7"})));
  EXPECT_NE(key(config()), key(config({"RA_MLA_MLP_GATE_ALPHA=0.7"})));
}

TEST(Key, DependsOnEverythingBesideTheConfiguration) {
  const auto c = config();
  const auto plain = key(c);
  const auto with = [&](auto change) {
    auto context = kContext;
    change(context);
    return key(c, context);
  };
  EXPECT_NE(plain, with([](auto& k) { k.data_hash = "e"; }));
  EXPECT_NE(plain, with([](auto& k) { k.threads = 2; }));
  EXPECT_NE(plain, with([](auto& k) { k.ranks = 2; }));
  EXPECT_NE(plain, with([](auto& k) { k.device = "cuda"; }));
  EXPECT_NE(plain, with([](auto& k) { k.kernels = "avx512"; }));
  EXPECT_NE(plain, with([](auto& k) { k.torch_version = "3"; }));
  EXPECT_NE(plain, with([](auto& k) { k.build.sources = "t"; }));
  EXPECT_NE(plain, with([](auto& k) { k.build.compiler = "t"; }));
  EXPECT_NE(plain, with([](auto& k) { k.build.flags = "t"; }));
  EXPECT_NE(plain, key(c, kContext, 2));
  EXPECT_NE(plain, key_of(key_text(c, 1, 0, 1, kContext)));
  EXPECT_NE(plain, key_of(key_text(c, 0, 1, 1, kContext)));
}

TEST(Key, TakesDataSeedZeroForTheTrialsSeed) {
  EXPECT_EQ(key(config(), kContext, 5), key(config({"DATA_SEED=5"}), kContext, 5));
  EXPECT_NE(key(config(), kContext, 5), key(config({"DATA_SEED=4"}), kContext, 5));
}

TEST(KeyTexts, OfAnArmDifferInWhatFollowsTheSeed) {
  for (const auto* data_seed : {"DATA_SEED=0", "DATA_SEED=7"}) {
    const KeyTexts texts(config({data_seed}), 3, 1, kContext);
    const auto one = key_values(texts.text(1)), other = key_values(texts.text(12));
    for (const auto& [name, value] : one) {
      const bool follows = name == "seed" || (name == "DATA_SEED" && data_seed == std::string("DATA_SEED=0"));
      EXPECT_EQ(other.at(name), follows ? "12" : value) << name;
    }
    EXPECT_EQ(other.size(), one.size());
    EXPECT_EQ(texts.text(12), key_text(config({data_seed}), 3, 1, 12, kContext));
  }
}

TEST(KeyDifferences, NameWhatChanged) {
  auto context = kContext;
  context.build.sources = std::string(64, 'f');
  const auto then = key_text(config({"RA_MLA_MLP_ATTN_GATE=n"}), 1, 0, 1, kContext);
  const auto now = key_text(config({"RA_MLA_MLP_ATTN_GATE=n", "GPT2_N_LAYER=3"}), 1, 0, 1, context);
  EXPECT_EQ(key_differences(then, now),
            (std::vector<std::string>{"GPT2_N_LAYER 12 -> 3", "sources s -> ffffffffffff…"}));
  EXPECT_TRUE(key_differences(now, now).empty());
  const auto gated = key_text(config(), 1, 0, 1, kContext);
  const auto phrases = key_differences(then, gated);
  EXPECT_NE(std::find(phrases.begin(), phrases.end(), "RA_MLA_MLP_GATE_ALPHA not read -> 0.1"),
            phrases.end());
}

}  // namespace
}  // namespace kablate
