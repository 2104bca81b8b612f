// Sequences made from a seed, against their tasks' definitions.
#include "data/synthetic_dataset.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "audit/gates.h"
#include "config/synthetic.h"
#include "support/configure.h"

namespace kablate {
namespace {

using Ids = std::vector<std::int64_t>;

Config made(const char* dataset, const char* context, const char* vocabulary, const Deltas& more = {}) {
  return configure(Deltas{{"DATASET", dataset},
                          {"GPT2_BLOCK_SIZE", context},
                          {"SYNTHETIC_VOCAB_SIZE", vocabulary},
                          {"SYNTHETIC_TRAIN", "200"},
                          {"SYNTHETIC_TEST", "150"}} +
                   more);
}

// Every task, in the published setting and in a small one.
std::vector<Config> all_tasks() {
  return {made("mqar", "64", "8192"),
          made("mqar", "16", "10"),
          made("induction", "31", "20"),
          made("induction", "4", "4"),
          made("recall", "42", "20"),
          made("in_context_recall", "128", "16"),
          made("in_context_recall", "4", "4"),
          made("noisy_recall", "128", "32"),
          made("noisy_recall", "8", "20", {{"SYNTHETIC_NOISE", "0.9"}}),
          made("fuzzy_recall", "128", "16"),
          made("fuzzy_recall", "24", "11", {{"SYNTHETIC_MOTIF", "4"}}),
          made("selective_copy", "256", "16"),
          made("selective_copy", "34", "4"),
          made("memorization", "32", "256"),
          made("compression", "32", "16", {{"AUTOENCODER", "y"}}),
          made("compression", "2", "4", {{"AUTOENCODER", "y"}}),
          made("repeats", "64", "300")};
}

Ids first(std::int64_t count) {
  Ids numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

Batch windows(const Config& config, Split split, std::int64_t count, std::uint64_t seed = 1) {
  return SyntheticDataset(config, seed).windows(split, first(count), config.gpt.context);
}

std::string name_of(const Config& config) {
  return std::to_string(static_cast<int>(config.data.dataset)) + " of " + std::to_string(config.gpt.context);
}

TEST(SyntheticData, HaveTheLabelsOfTheirDefinitions) {
  for (const auto& config : all_tasks()) {
    EXPECT_EQ(wrong_labels(config, windows(config, Split::kTrain, 200), false), "") << name_of(config);
    EXPECT_EQ(wrong_labels(config, windows(config, Split::kValidation, 150), true), "") << name_of(config);
  }
}

// The check of definitions sees a label that is another, one that is missing and one too many.
TEST(SyntheticData, OtherLabelsAreSeen) {
  for (const auto& config : all_tasks()) {
    const auto V = config.data.synthetic.vocabulary;
    const Batch right = windows(config, Split::kTrain, 20);
    const auto place = right.targets.flatten().ne(kIgnoreIndex).nonzero()[7].item<std::int64_t>();
    for (const bool missing : {true, false}) {
      Batch wrong = right;
      wrong.targets = right.targets.clone();
      const auto label = wrong.targets.flatten()[place].item<std::int64_t>();
      wrong.targets.view({-1})[place].fill_(missing ? kIgnoreIndex : (label + 1) % V);
      EXPECT_NE(wrong_labels(config, wrong, false), "") << name_of(config);
    }
    if (right.targets.eq(kIgnoreIndex).any().item<bool>()) {
      Batch wrong = right;
      wrong.targets = at::where(right.targets.eq(kIgnoreIndex), 1, right.targets);
      EXPECT_NE(wrong_labels(config, wrong, false), "") << name_of(config);
    }
  }
}

TEST(SyntheticData, AreFunctionsOfSeedAndNumber) {
  for (const auto& config : all_tasks()) {
    const SyntheticDataset data(config, 1);
    const auto T = config.gpt.context;
    const Batch train = windows(config, Split::kTrain, 40), tests = windows(config, Split::kValidation, 40);
    const Ids some{7, 3};
    const Batch two = data.windows(Split::kTrain, some, T);
    EXPECT_TRUE(at::equal(two.inputs, train.inputs.index_select(0, at::tensor(some))));
    EXPECT_TRUE(at::equal(two.targets, train.targets.index_select(0, at::tensor(some))));
    EXPECT_TRUE(at::equal(tests.inputs, windows(config, Split::kValidation, 40, 2).inputs)) << "one test set";
    EXPECT_FALSE(at::equal(train.inputs, windows(config, Split::kTrain, 40, 2).inputs));
    EXPECT_FALSE(at::equal(train.inputs, tests.inputs));
  }
}

// Each training sequence once an epoch, in another order for each seed and epoch; with 0 none twice.
TEST(SyntheticData, GoThroughTheTrainingSetInEpochs) {
  const auto config = made("mqar", "16", "64", {{"SYNTHETIC_TRAIN", "30"}});
  const SyntheticDataset data(config, 5);
  const auto rows = [](const Batch& batch) {
    std::multiset<Ids> all;
    for (std::int64_t b = 0; b < batch.inputs.size(0); ++b) {
      const at::Tensor row = batch.inputs[b].contiguous();
      all.emplace(row.const_data_ptr<std::int64_t>(), row.const_data_ptr<std::int64_t>() + row.numel());
    }
    return all;
  };
  const Batch one = data.samples(5, 0, 30, 16), two = data.samples(5, 30, 30, 16);
  EXPECT_EQ(rows(one), rows(two));
  EXPECT_EQ(rows(one), rows(data.windows(Split::kTrain, first(30), 16)));
  EXPECT_FALSE(at::equal(one.inputs, two.inputs));
  EXPECT_EQ(two.samples.front(), 30u);
  const SyntheticDataset fresh(made("mqar", "16", "64", {{"SYNTHETIC_TRAIN", "0"}}), 5);
  const auto many = rows(fresh.samples(5, 0, 400, 16));
  EXPECT_EQ(std::set<Ids>(many.begin(), many.end()).size(), 400u);
  EXPECT_EQ(fresh.num_windows(Split::kTrain, 16), 150);
}

TEST(SyntheticData, HaveAsManyLabelsAsTheFormulasTake) {
  for (const auto& config : all_tasks()) {
    const double found =
        windows(config, Split::kTrain, 200).targets.ne(kIgnoreIndex).sum().item<double>() / 200;
    const double expected = labels_per_sequence(config);
    const bool roughly = config.data.dataset == DatasetKind::kFuzzyRecall;
    EXPECT_NEAR(found, expected, (roughly ? 0.15 : 0.05) * expected) << name_of(config);
  }
}

// Draws of MQAR's places without replacement: the first of each sequence by p(i) ∝ i^-0.99 itself, the second
// by what is left.
TEST(SyntheticData, MqarsPlacesFollowThePowerLaw) {
  constexpr std::int64_t kPlaces = 28, kSequences = 20000;
  const auto config = made("mqar", "64", "64", {{"SYNTHETIC_TEST", "20000"}});
  const Batch tests = windows(config, Split::kValidation, kSequences);
  std::vector<double> of_first(kPlaces), of_second(kPlaces), p(kPlaces), p_second(kPlaces);
  const auto* inputs = tests.inputs.const_data_ptr<std::int64_t>();
  for (std::int64_t n = 0; n < kSequences; ++n, inputs += 64)
    for (std::int64_t i = 0; i < kPlaces; ++i) {
      of_first[i] += inputs[8 + 2 * i] == inputs[0];
      of_second[i] += inputs[8 + 2 * i] == inputs[2];
    }
  double sum = 0;
  for (std::int64_t i = 0; i < kPlaces; ++i) sum += p[i] = 0.01 * std::pow(i + 1.0, -0.99);
  for (auto& x : p) x /= sum;
  for (std::int64_t i = 0; i < kPlaces; ++i)
    for (std::int64_t j = 0; j < kPlaces; ++j)
      if (i != j) p_second[i] += p[j] * p[i] / (1 - p[j]);
  const auto chi_square = [&](const std::vector<double>& found, const std::vector<double>& expected) {
    double total = 0;
    for (std::int64_t i = 0; i < kPlaces; ++i)
      total += std::pow(found[i] - kSequences * expected[i], 2) / (kSequences * expected[i]);
    return total;
  };
  constexpr double kOneInTenThousand = 63.2;  // of chi-square with 27 degrees of freedom
  EXPECT_LT(chi_square(of_first, p), kOneInTenThousand);
  EXPECT_LT(chi_square(of_second, p_second), kOneInTenThousand);
  EXPECT_GT(chi_square(of_second, p), 3 * kOneInTenThousand) << "and it can tell";
}

TEST(SyntheticData, NoiseHasItsShare) {
  const auto config = made("noisy_recall", "128", "32", {{"SYNTHETIC_NOISE", "0.3"}});
  const Tensor inputs = windows(config, Split::kTrain, 200).inputs;
  EXPECT_NEAR(inputs.ge(16).to(at::kDouble).mean().item<double>(), 0.3 * 62 / 64, 0.01);
}

TEST(SyntheticData, FactsAreTheSameInEverySplitSeedAndLength) {
  const auto of = [](const Config& config, Split split, std::uint64_t seed) {
    const Batch batch = windows(config, split, 150, seed);
    std::map<std::int64_t, std::int64_t> facts;
    for (std::int64_t b = 0; b < 150; ++b)
      for (std::int64_t t = 0; t < config.gpt.context; t += 2)
        facts[batch.inputs[b][t].item<std::int64_t>()] = batch.targets[b][t + 1].item<std::int64_t>();
    return facts;
  };
  const auto config = made("memorization", "32", "64"), shorter = made("memorization", "16", "64");
  const auto facts = of(config, Split::kTrain, 1);
  EXPECT_EQ(facts.size(), 31u);
  EXPECT_EQ(facts, of(config, Split::kValidation, 2));
  EXPECT_EQ(facts, of(shorter, Split::kTrain, 3));
}

// What the key of a trial knows of the data beside symbols, which steps may set: the task.
TEST(SyntheticData, HashTheirTask) {
  const auto hash = [](const Config& config) { return SyntheticDataset(config).hash(); };
  const auto config = made("mqar", "64", "64");
  for (const auto& same : {made("mqar", "32", "64"), made("mqar", "64", "64", {{"MQAR_PAIRS", "3"}})})
    EXPECT_EQ(hash(config), hash(same));
  EXPECT_NE(hash(config), hash(made("repeats", "64", "64")));
}

}  // namespace
}  // namespace kablate
