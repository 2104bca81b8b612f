#include "record/layout.h"

#include <gtest/gtest.h>

#include <random>

#include "support/core/expect_error.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using testing_support::expect_error;

TEST(TrialFolderName, CarriesStepSeedAndKey) {
  EXPECT_EQ(trial_folder_name({2, "gate+cross", 1, "ab12cd34ef5678901234"}),
            "step2-gate+cross.seed1.ab12cd34ef56");
}

TEST(TrialFolderName, IsSafeForFileSystems) {
  EXPECT_EQ(trial_folder_name({0, "recip(attn-to-mlp) A=1/\xc3\xa4", 3, "0123456789ab"}),
            "step0-recip_attn-to-mlp__A_1___.seed3.0123456789ab");
  EXPECT_LE(trial_folder_name({1000000, std::string(5000, 'x'), 9223372036854775807, "0123456789ab"}).size(),
            160u);
}

TEST(TrialFolderName, IsReadBackWhateverTheStepIsCalled) {
  const auto seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  const TrialName awkward{1, "a.seed7.0123456789ab-step2", 3, "0123456789ab"};
  EXPECT_EQ(parse_trial_folder_name(trial_folder_name(awkward)), awkward);
  std::mt19937 random(seed);
  const std::string letters = "aZ09+_.-seed.step1-";
  for (int round = 0; round < 1000; ++round) {
    TrialName trial{static_cast<std::int64_t>(random() % 50), "",
                    1 + static_cast<std::int64_t>(random() % 99), ""};
    for (auto length = random() % 30; length > 0; --length) trial.name += letters[random() % letters.size()];
    for (int i = 0; i < 12; ++i) trial.key += "0123456789abcdef"[random() % 16];
    EXPECT_EQ(parse_trial_folder_name(trial_folder_name(trial)), trial) << trial_folder_name(trial);
  }
}

TEST(TrialFolderName, OfAnythingElseIsRefused) {
  for (const auto* name :
       {"", "step", "step1", "step1-a.seed1", "step1-a.seed1.ab", "step1-a.seed-1.0123456789ab",
        "step-1-a.seed1.0123456789ab", "step01-a.seed1.0123456789ab", "stepx-a.seed1.0123456789ab",
        "step1-a.seed.0123456789ab", "step1-a.seed1.0123456789aG", "step1-a.seed1.0123456789ab.tmp",
        "1-a.seed1.0123456789ab", "step1.seed1.0123456789ab"})
    EXPECT_FALSE(parse_trial_folder_name(name)) << name;
}

TEST(ExperimentFolder, ListsTrialFoldersOnly) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  EXPECT_TRUE(folder.trial_folders().empty());
  root.write("trials/step1-b.seed1.0123456789ab/config", "");
  root.write("trials/step0-a.seed1.0123456789ab/config", "");
  root.write("trials/notes/x", "");
  root.write("trials/step2-a.seed1.0123456789ab", "a file");
  EXPECT_EQ(folder.trial_folders(),
            (std::vector<std::string>{"step0-a.seed1.0123456789ab", "step1-b.seed1.0123456789ab"}));
}

TEST(ExperimentFolder, KnowsTheFoldersOfATrialAsTheyComeAndGo) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  const std::string first = "step1-a.seed2.0123456789ab", second = "step1-b.seed2.0123456789ac";
  EXPECT_TRUE(folder.trial_folders(1, 2).empty());
  root.write("trials/step1-a.seed1.0123456789ab/config", "");
  for (const auto& name : {second, first}) {
    root.write("trials/" + name + "/config", "");
    std::filesystem::last_write_time(folder.trials(), std::filesystem::file_time_type::clock::now());
    EXPECT_EQ(folder.trial_folders(1, 2).back(), second);
  }
  EXPECT_EQ(folder.trial_folders(1, 2), (std::vector{first, second}));
  std::filesystem::remove_all(folder.trial(first).path());
  EXPECT_EQ(folder.trial_folders(1, 2), std::vector{second});
  EXPECT_TRUE(folder.trial_folders(2, 2).empty());
}

TEST(ExperimentFolder, RefusesNamesThatAreNoFolders) {
  for (const auto* name : {"", "a/b", ".", "..", ".hidden", "/tmp"})
    expect_error([&] { experiment_folder("results", name); },
                 {"EXPERIMENT_NAME", "\"" + std::string(name) + "\""});
  EXPECT_EQ(experiment_folder("results", "quick").plan(), "results/quick/plan.json");
}

TEST(ExistingFolders, SayWhatWasFoundInstead) {
  const TemporaryFolder root;
  root.write("e/plan.json", "{}");
  root.write("t/config", "");
  EXPECT_EQ(existing_experiment(root.path() / "e").path(), root.path() / "e");
  EXPECT_EQ(existing_trial(root.path() / "t").path(), root.path() / "t");
  expect_error([&] { existing_experiment(root.path() / "t"); }, {"is a trial's folder"});
  expect_error([&] { existing_trial(root.path() / "e"); }, {"is an experiment's folder"});
  expect_error([&] { existing_experiment(root.path() / "x"); }, {"there is no such folder"});
  expect_error([&] { existing_experiment(root.path()); }, {"has no plan.json"});
}

}  // namespace
}  // namespace kablate
