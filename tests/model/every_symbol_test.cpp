// Every symbol of the menu: two legal values and something that differs between them. A symbol without a row
// fails, so a switch can't be added that nothing honours. And the other way round: what a configuration calls
// unused changes nothing.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <map>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "config/mechanism.h"
#include "shape/model_shape.h"
#include "support/engine/observables.h"
#include "support/engine/twin.h"

namespace kablate {
namespace {

struct Row {
  const char *symbol, *first, *second;
  std::function<std::string(const Settings&)> observe;
  Deltas base;  // what else must be set for the symbol to act
};

const Deltas kGate{{"RA_MLA_MLP_ATTN_GATE", "y"}}, kCross{{"RA_MLA_MLP_CROSS_TOKEN", "y"}},
    kRecip{{"RA_MLA_MLP_LATENT_RECIP", "y"}}, kRms{{"RA_MLA_MLP_SPARSE_MODE", "rms"}},
    kLora{{"USE_LORA_ATTN", "y"}}, kExperts{{"MLP_EXPERTS", "3"}}, kMha{{"ENABLE_RA_MLA", "n"}},
    kUntied{{"RA_MLA_MLP_TYING_MODE", "untied"}}, kRoom{{"GPT2_VOCAB_SIZE", "12"}},  // for a mask token
    kMasked = kRoom + Deltas{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}},
    kPruned{{"PRUNE", "magnitude"}, {"PRUNE_BEGIN", "1"}, {"PRUNE_END", "4"}, {"PRUNE_INTERVAL", "1"}},
    kAllClipped{{"SPAM_THETA", "0.5"}}, kResets{{"SPAM_INTERVAL", "6"}, {"SPAM_WARMUP_STEPS", "3"}};

// With the direction of attention that goes with an objective, and the other way round: each alone is
// refused.
std::function<std::string(const Settings&)> paired(std::string (*observe)(const Settings&)) {
  return [observe](Settings settings) {
    const bool masked = settings.text("OBJECTIVE") == "masked_token",
               both_ways = settings.text("ATTENTION_DIRECTION") == "bidirectional";
    if (masked || both_ways) {
      settings.set("OBJECTIVE", "masked_token", "");
      settings.set("ATTENTION_DIRECTION", "bidirectional", "");
    }
    return observe(settings);
  };
}

// With the data that an autoencoder needs, and no other model has.
std::function<std::string(const Settings&)> compressing(std::string (*observe)(const Settings&)) {
  return [observe](Settings settings) {
    settings.set("DATASET", settings.text("AUTOENCODER") == "y" ? "compression" : "repeats", "");
    return observe(settings);
  };
}

// NOLINT(length): one line a symbol
std::vector<Row> model_rows() {
  return {{"GPT2_N_LAYER", "2", "3", observe::logits, {}},
          {"GPT2_N_HEAD", "2", "3", observe::logits, {{"ENABLE_RA_MLA", "n"}}},
          {"GPT2_N_EMBD", "12", "24", observe::logits, {}},
          {"GPT2_BLOCK_SIZE", "8", "9", observe::logits, {}},
          {"GPT2_VOCAB_SIZE", "11", "12", observe::logits, {}},
          {"GPT2_DROPOUT", "0", "0.25", observe::training, {}},
          {"GPT2_BIAS", "y", "n", observe::logits, {}},
          {"GPT2_WEIGHT_TYING", "y", "n", observe::logits, {}},
          {"AUTOENCODER", "y", "n", compressing(observe::logits), {{"SYNTHETIC_VOCAB_SIZE", "9"}}},
          {"NORM_PLACEMENT", "pre", "post", observe::logits, {}},
          {"NORM_KIND", "layernorm", "rmsnorm", observe::logits, {}},
          {"NORM_AFFINE", "y", "n", observe::logits, {}},
          {"POSITIONS", "learned", "rotary", observe::logits, kMha},
          {"ROPE_BASE", "10000", "100", observe::logits, kMha + Deltas{{"POSITIONS", "rotary"}}},
          {"GPT2_N_KV_HEAD", "0", "1", observe::logits, kMha},
          {"QK_NORM", "n", "y", observe::logits, kMha},
          {"GPT2_ATTENTION", "y", "n", observe::logits, {}},
          {"ATTENTION_DIRECTION", "causal", "bidirectional", paired(observe::logits), {}},
          {"ENABLE_RA_MLA", "y", "n", observe::logits, {}},
          {"RA_MLA_LATENT_DIM", "6", "8", observe::logits, {}},
          {"RA_MLA_SHARED_KV", "y", "n", observe::logits, {}},
          {"RA_MLA_PER_HEAD_Q_LATENT", "y", "n", observe::logits, {}},
          {"RA_MLA_PER_HEAD_V_UP", "y", "n", observe::logits, {}},
          {"RA_MLA_FORM", "latent", "deepseek", observe::logits, {}},
          {"RA_MLA_LATENT_SOURCE", "project", "slice", observe::logits, {}},
          {"RA_MLA_LATENT_NORM", "y", "n", observe::logits, {}},
          {"RA_MLA_LATENT_SCALE", "y", "n", observe::logits, {}},
          {"RA_MLA_Q_LATENT_DIM", "0", "5", observe::logits, {{"RA_MLA_FORM", "deepseek"}}},
          {"RA_MLA_ROPE_DIM", "2", "4", observe::logits, {{"POSITIONS", "rotary"}}},
          {"RA_MLA_RA_WINDOW", "1", "2", observe::logits, {{"RA_MLA_RA_ALPHA", "0.5"}}},
          {"MLP_EXPANSION", "2", "2.5", observe::logits, {}},
          {"MLP_SHARE_LAYERS", "1", "3", observe::logits, {}},
          {"MLP_SHARE_PATTERN",
           "adjacent",
           "cyclic",
           observe::logits,
           {{"GPT2_N_LAYER", "4"}, {"MLP_SHARE_LAYERS", "2"}}},
          {"MLP_PER_HEAD", "y", "n", observe::logits, {}},
          {"MLP_SHARE_HEADS", "1", "3", observe::logits, {{"MLP_PER_HEAD", "y"}}},
          {"SHARE_MAIN_MATRICES", "y", "n", observe::logits, {}},
          {"USE_LORA_ATTN", "y", "n", observe::logits, {}},
          {"USE_LORA_MLP", "y", "n", observe::logits, {}},
          {"LORA_RANK", "2", "3", observe::logits, kLora},
          {"LORA_ALPHA", "2", "3", observe::logits, kLora},
          {"GPT2_ACTIVATION", "gelu", "gelu_tanh", observe::logits, {}},
          {"MLP_LEARNED_WIDTH", "y", "n", observe::logits, {}},
          {"MLP_EXPERTS", "0", "3", observe::logits, {}},
          {"MLP_EXPERTS_TOP", "1", "2", observe::logits, kExperts},
          {"RA_MLA_MLP_GATE_DIM", "5", "6", observe::logits, kGate},
          {"RA_MLA_MLP_GATE_POOL", "causal_mean", "token", observe::logits, kGate},
          {"RA_MLA_MLP_CROSS_RANK", "0", "4", observe::logits, kCross},
          {"RA_MLA_MLP_CROSS_DETACH", "y", "n", observe::training, kCross},
          {"RA_MLA_MLP_SPARSE_MODE", "topk", "none", observe::logits, kCross},
          {"RA_MLA_MLP_SPARSE_K", "2", "3", observe::logits, kCross},
          {"RA_MLA_MLP_SPARSE_RMS_THRESHOLD", "0.5", "0.9", observe::logits, kCross + kRms},
          {"RA_MLA_MLP_SPARSE_NORMALIZE", "y", "n", observe::logits, kCross},
          {"RA_MLA_MLP_SPARSE_HEAD_AVERAGE", "y", "n", observe::logits, kCross},
          {"RA_MLA_MLP_TYING_MODE", "tied_transpose", "per_head_scalar", observe::logits, kRecip},
          {"RA_MLA_MLP_LATENT_DIM", "0", "4", observe::logits, kRecip + kUntied},
          {"DTYPE", "float32", "bfloat16", observe::logits, {}}};
}

// Switches and weights of all mechanisms; model_rows() has their other symbols.
std::vector<Row> mechanism_rows() {
  std::vector<Row> rows;
  for (const auto& m : mechanisms()) {
    if (!m.by_weight()) rows.push_back({m.switch_symbol, "y", "n", observe::logits, {}});
    const Deltas on = m.by_weight() ? Deltas{} : switched(m, true);
    rows.push_back({m.weight_symbol, m.by_weight() ? "0" : "0.2", "0.3", observe::logits, on});
  }
  return rows;
}

std::vector<Row> training_rows() {
  return {{"OPTIMIZER", "adamwspam", "adamw", observe::training, kAllClipped},
          {"GPT2_LEARNING_RATE", "1e-2", "2e-2", observe::rates, {}},
          {"GPT2_DECAY_LR", "y", "n", observe::rates, {}},
          {"GPT2_MIN_LR", "0", "1e-3", observe::rates, {}},
          {"GPT2_WARMUP_STEPS", "2", "3", observe::rates, {}},
          {"GPT2_WEIGHT_DECAY", "0", "0.1", observe::training, {}},
          {"GRAD_CLIP", "0", "0.01", observe::training, {}},
          {"ADAM_BETA1", "0.9", "0.8", observe::training, {}},
          {"ADAM_BETA2", "0.999", "0.99", observe::training, {}},
          {"ADAM_EPSILON", "1e-8", "1e-6", observe::training, {}},
          {"SPAM_ENABLE_CLIP", "y", "n", observe::training, kAllClipped},
          {"SPAM_THETA", "0.5", "1", observe::training, {}},
          {"SPAM_SPIKE_THRESHOLD", "0.01", "1000", observe::training, {{"GPT2_BATCH_SIZE", "1"}}},
          {"SPAM_PERIODIC_RESET", "y", "n", observe::training, kResets},
          {"SPAM_INTERVAL", "6", "7", observe::training, kResets},
          {"SPAM_WARMUP", "y", "n", observe::training, kResets},
          {"SPAM_WARMUP_STEPS", "3", "4", observe::training, kResets},
          {"PRUNE", "magnitude", "moments", observe::training, kPruned},
          {"PRUNE_SPARSITY", "0.5", "0.7", observe::training, kPruned},
          {"PRUNE_BEGIN", "1", "2", observe::training, kPruned},
          {"PRUNE_END", "4", "5", observe::training, kPruned},
          {"PRUNE_INTERVAL", "1", "3", observe::training, kPruned},
          {"GPT2_MAX_ITERS", "20", "30", observe::rates, {}},
          {"GPT2_BATCH_SIZE", "2", "3", observe::training, {}},
          {"GPT2_GRADIENT_ACCUMULATION", "1", "2", observe::training, {}},
          {"GPT2_EVAL_INTERVAL", "4", "5", observe::log, {{"GPT2_MAX_ITERS", "12"}}},
          {"GPT2_EVAL_SAMPLES", "5", "6", observe::evaluation, {}},
          {"GPT2_LOG_INTERVAL", "3", "4", observe::log, {{"GPT2_MAX_ITERS", "12"}}},
          {"OBJECTIVE", "next_token", "masked_token", paired(observe::evaluation), kRoom},
          {"MASK_RATE", "0.15", "0.3", observe::training, kMasked},
          {"MASK_SCHEDULE", "fixed", "uniform", observe::training, kMasked},
          {"CRITIC", "y", "n", observe::training, kMasked},
          {"CRITIC_WEIGHT", "0.1", "1", observe::training, kMasked + Deltas{{"CRITIC", "y"}}},
          {"MLP_WIDTH_PENALTY", "0", "0.5", observe::training, {{"MLP_LEARNED_WIDTH", "y"}}},
          {"MLP_BALANCE_WEIGHT", "0", "0.5", observe::training, kExperts},
          {"MLP_UNSHARE_AT", "0", "5", observe::training, {{"MLP_SHARE_LAYERS", "3"}}},
          {"LORA_DROPOUT", "0", "0.5", observe::training, kLora},
          {"LORA_FREEZE_BASE_AT", "0", "5", observe::training, {}},
          {"RECOMPUTE", "y", "n", observe::training, {{"GPT2_BATCH_SIZE", "600"}}},
          {"DATASET", "text", "bin", observe::data, {}},
          {"TOKENIZER", "character", "gpt2", observe::data, {}},
          {"DATA_PATH", "one.txt", "two.txt", observe::data, {}},
          {"INIT_FROM", "one.txt", "two.txt", observe::start, {}},
          {"DATA_SEED", "1", "2", observe::order, {}}};
}

// Of data that are made from a seed, each by the losses on its sequences.
std::vector<Row> data_rows() {
  const Deltas mqar{{"DATASET", "mqar"}, {"SYNTHETIC_VOCAB_SIZE", "10"}, {"MQAR_PAIRS", "1"}},
      noisy{{"DATASET", "noisy_recall"}, {"SYNTHETIC_VOCAB_SIZE", "10"}, {"SYNTHETIC_NOISE_VOCAB_SIZE", "4"}},
      copy{{"DATASET", "selective_copy"}, {"SYNTHETIC_VOCAB_SIZE", "10"}},
      fuzzy{{"DATASET", "fuzzy_recall"}, {"SYNTHETIC_VOCAB_SIZE", "10"}, {"GPT2_BLOCK_SIZE", "12"}};
  return {{"SYNTHETIC_VOCAB_SIZE", "9", "10", observe::evaluation, mqar},
          {"SYNTHETIC_TRAIN", "20", "30", observe::training, mqar},
          {"SYNTHETIC_TEST", "20", "30", observe::evaluation, mqar},
          {"MQAR_PAIRS", "1", "2", observe::evaluation, mqar},
          {"SYNTHETIC_NOISE", "0.2", "0.6", observe::evaluation, noisy},
          {"SYNTHETIC_NOISE_VOCAB_SIZE", "4", "6", observe::evaluation, noisy},
          {"SYNTHETIC_COPY", "1", "2", observe::evaluation, copy},
          {"SYNTHETIC_MOTIF", "1", "2", observe::evaluation, fuzzy},
          {"ADAM_DECAY_ALL", "y", "n", observe::training, {{"GPT2_WEIGHT_DECAY", "0.1"}}}};
}

std::vector<Row> harness_rows() {
  return {{"EXPERIMENT_NAME", "a", "b", observe::folder, {}},
          {"ABLATION_PLAN", "ladder", "reversed", observe::plan, {}},
          {"RA_MLA_ABLATION_MODE", "y", "n", observe::plan, {}},
          {"RA_MLA_ABLATION_STEPS", "0", "0-1", observe::plan, {}},
          {"SEEDS", "1-3", "1,4", observe::plan, {}},
          {"RA_MLA_ALLOW_NONCAUSAL", "y", "n", observe::blocked,
           kGate + Deltas{{"RA_MLA_MLP_GATE_POOL", "sequence"}}},
          {"DEVICE", "cpu", "cuda", observe::device, {}},
          {"KERNELS", "portable", "avx2", observe::kernels, {}},
          {"PARALLEL_TRIALS", "1", "3", observe::at_once, {}},
          {"SLURM_PARTITION", "", "low", observe::batch, {}},
          {"SLURM_ACCOUNT", "", "mine", observe::batch, {}},
          {"SLURM_QOS", "", "fast", observe::batch, {}},
          {"SLURM_TIME", "", "1:00:00", observe::batch, {}},
          {"SLURM_GPUS", "0", "1", observe::batch, {}},
          {"SLURM_MEMORY", "", "8G", observe::batch, {}},
          {"SLURM_CONSTRAINT", "", "avx512", observe::batch, {}},
          {"SLURM_TASKS_AT_ONCE", "0", "3", observe::batch, {}},
          {"SLURM_NOTICE", "120", "60", observe::batch, {}},
          {"SLURM_EXTRA", "", "--exclude=n3", observe::batch, {}}};
}

// Seen from outside, where it takes the whole program: symbol and test.
const std::map<std::string, std::string> kOutside = {{"THREADS", "tests/cli/test_threads.py"},
                                                     {"MEASURE_HEADS", "tests/cli/test_heads.py"},
                                                     {"RANKS", "tests/cli/test_ranks.py"},
                                                     {"SHARD_MOMENTS", "tests/cli/test_ranks.py"},
                                                     {"SLURM_CPUS", "tests/cli/test_submit.py"}};

std::vector<Row> rows() {
  std::vector<Row> all;
  for (const auto& part : {harness_rows(), model_rows(), mechanism_rows(), training_rows(), data_rows()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

class EverySymbol : public testing::TestWithParam<Row> {};

TEST_P(EverySymbol, ChangesWhatItSays) {
  const Row& row = GetParam();
  const auto observed = [&](const char* value) {
    return row.observe(observed_settings(row.base + Deltas{{row.symbol, value}}));
  };
  const std::string first = observed(row.first);
  EXPECT_FALSE(first.empty());
  EXPECT_EQ(observed(row.first), first) << "the observable is not a function of the configuration";
  EXPECT_NE(observed(row.second), first) << row.symbol << " = " << row.first << " and " << row.second;
  for (const char* value : {row.first, row.second}) {
    const auto unused = unused_symbols(observed_settings(row.base + Deltas{{row.symbol, value}}).bind());
    EXPECT_EQ(std::count(unused.begin(), unused.end(), row.symbol), 0) << "called unused, and acts";
  }
}

void PrintTo(const Row& row, std::ostream* out) { *out << row.symbol; }
INSTANTIATE_TEST_SUITE_P(Menu, EverySymbol, testing::ValuesIn(rows()),
                         [](const auto& info) { return std::string(info.param.symbol); });

TEST(Menu, HasARowForEverySymbol) {
  std::set<std::string> with_row;
  for (const auto& [symbol, file] : kOutside) {
    EXPECT_NE(read_text(std::filesystem::path(KABLATE_SOURCE_DIR) / file).find(symbol), std::string::npos)
        << file;
    with_row.insert(symbol);
  }
  for (const auto& row : rows()) with_row.insert(row.symbol);
  for (const auto& symbol : symbols())
    EXPECT_TRUE(with_row.erase(symbol.name))
        << symbol.name << " has no row in tests/model/every_symbol_test.cpp: "
        << "two values, and what differs between them";
  EXPECT_TRUE(with_row.empty()) << *with_row.begin() << " is no symbol of the menu";
}

// A switch that acts alone may be dead beside another: in any configuration a symbol of the model changes the
// logits, or is called unused there. Those that only training shows are left out.
TEST(ModelSymbols, ActOrAreCalledUnusedInAnyConfiguration) {
  std::mt19937 random(seed_of_this_run());
  const auto coin = [&] { return random() % 2 == 0; };
  const auto model = model_rows();
  const auto called_unused = [](const Settings& settings, const char* symbol) {
    const auto unused = unused_symbols(settings.bind());
    return std::find(unused.begin(), unused.end(), symbol) != unused.end();
  };
  // Where latents are cut from the input two are one: keeping one of them is seen in the cache alone.
  const auto seen = [](const Settings& settings) {
    return observe::logits(settings) + str(" ", decode_cache_bytes_per_token(settings.bind()));
  };
  std::map<std::string, int> acted;
  for (int i = 0; i < 60; ++i) {
    std::map<std::string, std::string> deltas;
    for (const auto& row : model)
      if (coin() || row.symbol == std::string("DTYPE")) deltas[row.symbol] = coin() ? row.first : row.second;
    deltas["DTYPE"] = "float32";  // rounding to 8 bits may hide a little
    for (int j = 0; j < 12; ++j) {
      const Row& row = model[random() % model.size()];
      if (row.symbol == std::string("DTYPE") || row.symbol == std::string("GPT2_DROPOUT") ||
          row.symbol == std::string("RA_MLA_MLP_CROSS_DETACH"))
        continue;
      const auto with = [&](const char* value) {
        auto changed = deltas;
        changed[row.symbol] = value;
        return observed_settings({changed.begin(), changed.end()});
      };
      const Settings first = with(row.first), second = with(row.second);
      std::string seen_first, seen_second;
      try {
        seen_first = seen(first), seen_second = seen(second);
      } catch (const UserError&) {
        continue;  // a combination that is refused
      }
      const bool unused = called_unused(first, row.symbol) && called_unused(second, row.symbol);
      std::string context;
      for (const auto& [symbol, value] : deltas) context += symbol + "=" + value + " ";
      EXPECT_EQ(seen_first == seen_second, unused)
          << row.symbol << " = " << row.first << " and " << row.second << " in " << context;
      acted[row.symbol] += !unused;
    }
  }
  EXPECT_GT(acted.size(), 20u) << "most symbols must have come up where they act";
}

// A trial's key leaves unused symbols out, so one that acts all the same would let a wrong trial count as
// done.
TEST(UnusedSymbols, ChangeNoBitOfTraining) {
  const std::vector<Deltas> configurations = {
      {{"ENABLE_RA_MLA", "n"}, {"OPTIMIZER", "adamw"}, {"GPT2_DECAY_LR", "n"}},
      {{"MLP_EXPANSION", "0"}, {"SPAM_PERIODIC_RESET", "n"}, {"SPAM_ENABLE_CLIP", "n"}},
      {{"GPT2_ATTENTION", "n"}},
      {{"NORM_KIND", "rmsnorm"}, {"MLP_EXPANSION", "0"}},
      kMha + Deltas{{"POSITIONS", "rotary"}, {"GPT2_N_EMBD", "6"}},
      kCross + Deltas{{"RA_MLA_MLP_SPARSE_MODE", "none"}, {"SPAM_WARMUP", "n"}},
      kCross + kRms + kGate + kRecip,
      kCross + kRecip + kUntied + Deltas{{"GPT2_N_LAYER", "1"}}};
  int checked = 0;
  for (const auto& deltas : configurations) {
    const std::string expected = observe::weights_after(observed_settings(deltas), 8);
    const auto unused = unused_symbols(observed_settings(deltas).bind());
    for (const auto& row : rows()) {
      if (std::find(unused.begin(), unused.end(), row.symbol) == unused.end()) continue;
      for (const char* value : {row.first, row.second})
        EXPECT_EQ(observe::weights_after(observed_settings(deltas + Deltas{{row.symbol, value}}), 8),
                  expected)
            << row.symbol << " = " << value;
      ++checked;
    }
  }
  EXPECT_GT(checked, 40);
}

}  // namespace
}  // namespace kablate
