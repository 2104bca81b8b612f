// Data sets that are made from a seed: settings that can't be made, and how many labels there are.
#include "config/synthetic.h"

#include <gtest/gtest.h>

#include "support/configure.h"
#include "support/core/expect_error.h"

namespace kablate {
namespace {

using testing_support::expect_error;

Deltas made(const char* dataset, const char* context, const char* vocabulary) {
  return {{"DATASET", dataset}, {"GPT2_BLOCK_SIZE", context}, {"SYNTHETIC_VOCAB_SIZE", vocabulary}};
}

const Deltas kAutoencoder{{"AUTOENCODER", "y"}};

TEST(Synthetic, RefusesWhatCantBeMade) {
  const auto refused = [](const Deltas& deltas, std::initializer_list<std::string> parts) {
    expect_error([&] { configure(deltas); }, parts);
  };
  refused(made("mqar", "64", "64") + Deltas{{"MQAR_PAIRS", "17"}},
          {"GPT2_BLOCK_SIZE = 64", "DATASET = mqar needs at least 68", "MQAR_PAIRS = 17"});
  refused(made("mqar", "63", "64"), {"GPT2_BLOCK_SIZE = 63", "an even number"});
  refused(made("mqar", "256", "32") + Deltas{{"MQAR_PAIRS", "16"}},
          {"SYNTHETIC_VOCAB_SIZE = 32 has 15 keys", "at least 34"});
  refused(made("induction", "3", "8"), {"GPT2_BLOCK_SIZE = 3", "at least 4"});
  refused(made("recall", "41", "20"), {"GPT2_BLOCK_SIZE = 41", "even"});
  refused(made("noisy_recall", "64", "16") + Deltas{{"SYNTHETIC_NOISE_VOCAB_SIZE", "15"}},
          {"SYNTHETIC_NOISE_VOCAB_SIZE = 15", "SYNTHETIC_VOCAB_SIZE = 16", "at most 14"});
  refused(made("fuzzy_recall", "17", "16"), {"GPT2_BLOCK_SIZE = 17", "at least 18", "SYNTHETIC_MOTIF = 3"});
  refused(made("fuzzy_recall", "64", "6"), {"SYNTHETIC_MOTIF = 3", "has 2 tokens for keys", "at most 2"});
  refused(made("selective_copy", "33", "16"), {"GPT2_BLOCK_SIZE = 33", "at least 34", "SYNTHETIC_COPY = 16"});
  refused(made("memorization", "31", "16"), {"GPT2_BLOCK_SIZE = 31", "even"});
  refused(made("compression", "1", "16") + kAutoencoder, {"GPT2_BLOCK_SIZE = 1", "at least 2"});
  refused(made("compression", "32", "16"),
          {"DATASET = compression with AUTOENCODER = n", "set AUTOENCODER to y"});
  for (const auto& other : {made("repeats", "32", "16"), Deltas{}})
    refused(other + kAutoencoder, {"AUTOENCODER = y with DATASET = ", "set DATASET to compression"});
  refused(kAutoencoder + Deltas{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}},
          {"AUTOENCODER = y with OBJECTIVE = masked_token", "set OBJECTIVE to next_token"});
  refused(made("compression", "32", "16") + kAutoencoder + Deltas{{"MEASURE_HEADS", "y"}},
          {"MEASURE_HEADS = y with AUTOENCODER = y"});
  refused(made("repeats", "1", "16"), {"GPT2_BLOCK_SIZE = 1", "at least 2"});
  refused(made("mqar", "64", "8192") + Deltas{{"GPT2_VOCAB_SIZE", "8191"}},
          {"GPT2_VOCAB_SIZE = 8191", "SYNTHETIC_VOCAB_SIZE = 8192"});
  refused(made("mqar", "64", "64") +
              Deltas{{"OBJECTIVE", "masked_token"}, {"ATTENTION_DIRECTION", "bidirectional"}},
          {"OBJECTIVE = masked_token with DATASET = mqar", "next_token"});
  for (const auto& least : {made("mqar", "16", "10"), made("induction", "4", "4"), made("recall", "4", "4"),
                            made("in_context_recall", "4", "4"), made("fuzzy_recall", "18", "7"),
                            made("selective_copy", "34", "4"), made("memorization", "2", "5"),
                            made("repeats", "2", "4"), made("compression", "2", "4") + kAutoencoder})
    EXPECT_NO_THROW(configure(least)) << least[0].second;
}

// What the formulas of work and memory take, of the published settings.
TEST(Synthetic, KnowsHowManyLabelsThereAre) {
  const auto labels = [](const Deltas& deltas) { return labels_per_sequence(configure(deltas)); };
  EXPECT_EQ(labels(made("mqar", "64", "8192")), 4);
  EXPECT_EQ(labels(made("induction", "31", "20")), 1);
  EXPECT_EQ(labels(made("recall", "42", "20")), 1);
  EXPECT_EQ(labels(made("selective_copy", "256", "16")), 16);
  EXPECT_EQ(labels(made("memorization", "32", "256")), 16);
  EXPECT_EQ(labels(made("repeats", "64", "16")), 64 - 20);
  EXPECT_EQ(labels(made("compression", "32", "16") + kAutoencoder), 32);
  // 63 pairs of 8 keys, all of which are said but for 0.002 of them; and the last.
  EXPECT_NEAR(labels(made("in_context_recall", "128", "16")), 56.0018, 1e-3);
  // Nearly a fifth of 62 pairs are noise.
  EXPECT_NEAR(labels(made("noisy_recall", "128", "32")), 1 + 62 * 0.8 - 8 + 1, 0.02);
  EXPECT_EQ(configure(made("mqar", "64", "8192")).share_said(), 4.0 / 64);
}

TEST(Synthetic, DealsOutIds) {
  const auto ids = [](const Deltas& deltas) { return task_ids(configure(deltas).data); };
  const auto mqar = ids(made("mqar", "64", "8192"));
  EXPECT_EQ(mqar.keys.first, 1);
  EXPECT_EQ(mqar.keys.end(), 4096);
  EXPECT_EQ(mqar.values.first, 4096);
  EXPECT_EQ(mqar.values.end(), 8192);
  const auto noisy = ids(made("noisy_recall", "128", "32"));
  EXPECT_EQ(noisy.keys.end(), 8);
  EXPECT_EQ(noisy.values.end(), 16);
  EXPECT_EQ(noisy.noise.end(), 32);
  const auto fuzzy = ids(made("fuzzy_recall", "128", "16"));
  EXPECT_EQ(fuzzy.keys.end(), 7);
  EXPECT_EQ(fuzzy.values.end(), 15);
  EXPECT_EQ(fuzzy.blank, 15);
}

}  // namespace
}  // namespace kablate
