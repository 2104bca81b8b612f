#include "report/run_difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "record/reader.h"
#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using namespace testing_support;

class RunDifference : public testing::Test {
 protected:
  std::vector<std::string> trial_lines(const char* title) const {
    return lines_of(trial_differences(a, b), title);
  }
  static std::vector<std::string> lines_of(const std::vector<DifferenceSection>& sections,
                                           const char* title) {
    for (const auto& section : sections)
      if (section.title == title) return section.lines;
    throw std::out_of_range(title);
  }

  TemporaryFolder temporary;
  TrialFolder a{temporary.path() / "a"}, b{temporary.path() / "b"};
};

TEST_F(RunDifference, OfEqualTrialsIsOnlyThatTheyAreEqual) {
  finish(a, 0, 1, 2.5), finish(b, 0, 1, 2.5);
  for (const auto* title : {"configuration", "key, beside the configuration", "environment"})
    EXPECT_THAT(trial_lines(title), IsEmpty()) << title;
  EXPECT_THAT(trial_lines("results"), ElementsAre("weights: equal bit for bit"));
}

TEST_F(RunDifference, OfTrialsNamesSymbolsKeysEnvironmentAndResults) {
  finish(a, 0, 1, 2.5), finish(b, 0, 1, 2.75);
  write_file(b.config(), full_dotconfig(small_config({"GPT2_WEIGHT_DECAY=0.25"})));
  write_file(a.key(), "GPT2_WEIGHT_DECAY = 0.1\nseed = 1\ndata = x\n");
  write_file(b.key(), "GPT2_WEIGHT_DECAY = 0.25\nseed = 2\ndata = x\n");
  write_file(b.environment(), "{\"cpu\": \"B\"}");
  for (const auto* folder : {&a, &b}) testing_support::finish_again(*folder, *finished(*folder));
  EXPECT_THAT(trial_lines("configuration"), ElementsAre("GPT2_WEIGHT_DECAY: 0.1 -> 0.25"));
  EXPECT_THAT(trial_lines("key, beside the configuration"), ElementsAre("seed 1 -> 2"));
  EXPECT_THAT(trial_lines("environment"), ElementsAre("cpu: not recorded -> B"));
  EXPECT_THAT(trial_lines("results"), ElementsAre("loss logs part at iteration 10: loss 3.5 -> 3.75",
                                                  "val_loss: 2.500000 -> 2.750000 (+0.250000)",
                                                  HasSubstr("train_loss: 2.4"), "weights: not equal"));
}

TEST_F(RunDifference, SubtractsNoLossesOfOtherTokens) {
  finish(a, 0, 1, 2.5), finish(b, 0, 1, 2.75);
  write_file(a.key(), "GPT2_EVAL_SAMPLES = 4\ndata = x\n");
  for (const auto& [key, what] : {std::pair{"GPT2_EVAL_SAMPLES = 6\ndata = x\n", "GPT2_EVAL_SAMPLES 4 -> 6"},
                                  {"GPT2_EVAL_SAMPLES = 4\ndata = y\n", "data x -> y"}}) {
    write_file(b.key(), key);
    for (const auto* folder : {&a, &b}) testing_support::finish_again(*folder, *finished(*folder));
    EXPECT_THAT(trial_lines("results"),
                Contains(std::string("val_loss: 2.500000 and 2.750000, measured on other tokens: ") + what));
  }
}

TEST_F(RunDifference, SaysWhichTrialIsNotFinished) {
  finish(a, 0, 1, 2.5), finish(b, 0, 1, 2.5);
  std::filesystem::remove(b.done());
  EXPECT_THAT(trial_lines("results"), ElementsAre(b.path().string() + " is not finished: interrupted"));
}

TEST_F(RunDifference, OfExperimentsComparesWhatBothHave) {
  const ExperimentFolder first(temporary.path() / "first"), second(temporary.path() / "second");
  const auto plan = ladder(2, {1, 2}), other = ladder(3, {2, 3});
  write_experiment(first, plan, small_config());
  write_experiment(second, other, small_config({"GPT2_DROPOUT=0.5"}));
  for (const std::int64_t seed : {1, 2})
    finish(folder_of(first, plan, 0, seed), 0, seed, 2 + 0.5 * static_cast<double>(seed));
  for (const std::int64_t seed : {2, 3}) finish(folder_of(second, other, 0, seed), 0, seed, 3.25);
  const auto sections = experiment_differences(first, second);
  EXPECT_THAT(lines_of(sections, "base configuration"), ElementsAre("GPT2_DROPOUT: 0.1 -> 0.5"));
  EXPECT_THAT(lines_of(sections, "plan"), ElementsAre("steps: 0,1 -> 0,1,2", "seeds: 1,2 -> 2,3"));
  EXPECT_THAT(
      lines_of(sections, "results"),
      ElementsAre(
          "step 0 arm0: val_loss 2.7500 ± 0.3536 over 2 seeds -> 3.2500 ± 0.0000 over 2 seeds; "
          "difference +0.2500 over 1 common seed",
          HasSubstr("step 1 arm1: val_loss none finished -> none finished; no seed is finished in both")));
}

}  // namespace
}  // namespace kablate
