#include "record/looks.h"

#include <gtest/gtest.h>

#include <fstream>

#include "support/core/experiment.h"
#include "support/temporary_folder.h"

namespace kablate {
namespace {

using Numbers = std::vector<std::int64_t>;

// Trials of the ladder's two steps over `seeds`, all finished; `key` is what their configuration changes.
std::vector<TrialRecord> finished(const Numbers& seeds, const std::string& key = "0123456789ab") {
  std::vector<TrialRecord> trials;
  for (const auto seed : seeds)
    for (const std::int64_t step : {0, 1}) {
      TrialRecord trial;
      trial.planned = {step, seed, trial_folder_name({step, "arm", seed, key})};
      trial.state = TrialState::kDone;
      trials.push_back(trial);
    }
  return trials;
}

TEST(Looks, AreRecordedOnceForEachSetOfTrials) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  EXPECT_FALSE(record_look(folder, {1}, {})) << "nothing is finished";
  EXPECT_TRUE(record_look(folder, {1, 2}, finished({1})));
  EXPECT_FALSE(record_look(folder, {1, 2}, finished({1}))) << "the same table again";
  auto trials = finished({1, 2});
  trials.back().state = TrialState::kRunning;
  EXPECT_TRUE(record_look(folder, {1, 2}, trials));
  const auto looks = read_looks(folder);
  ASSERT_EQ(looks.size(), 2u);
  EXPECT_EQ(looks[0].planned, (Numbers{1, 2}));
  EXPECT_EQ(looks[0].trials.size(), 2u);
  EXPECT_EQ(looks[1].trials.size(), 3u) << "only finished trials are in the table";
  EXPECT_EQ(looks[0].time.size(), 20u);
}

TEST(Looks, SurviveATornLine) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  EXPECT_TRUE(read_looks(folder).empty());
  record_look(folder, {1}, finished({1}));
  std::ofstream(folder.looks(), std::ios::app) << R"({"time": "2026)";
  EXPECT_EQ(read_looks(folder).size(), 1u);
  record_look(folder, {1, 2}, finished({1, 2}));
  EXPECT_EQ(read_looks(folder).size(), 2u) << "a row that follows a torn one stands on its own line";
}

TEST(Looks, AtFewerSeedsOfTheSameTrialsCount) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  record_look(folder, {1, 2, 3}, finished({1, 2, 3}));
  record_look(folder, {1, 2, 3}, finished({1, 2, 3}, "aaaaaaaaaaaa"));  // another configuration
  const auto now = finished({1, 2, 3, 4, 5});
  const std::vector<EarlierLook> expected{{{1, 2, 3}, {4, 5}, {4, 5}}};
  EXPECT_EQ(earlier_looks(read_looks(folder), now), expected);
  record_look(folder, {1, 2, 3, 4, 5}, now);
  EXPECT_EQ(earlier_looks(read_looks(folder), now), expected) << "the present look is not an earlier one";
  EXPECT_TRUE(earlier_looks(read_looks(folder), finished({1, 2, 3})).empty());
  EXPECT_TRUE(earlier_looks(read_looks(folder), finished({1, 2, 3, 4}, "bbbbbbbbbbbb")).empty());
}

TEST(Looks, TellSeedsThatWerePlannedAlready) {
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  record_look(folder, {1, 2, 3, 4}, finished({1, 2}));  // an interrupted run of four seeds
  const auto now = finished({1, 2, 3, 4, 5});
  EXPECT_EQ(earlier_looks(read_looks(folder), now), (std::vector<EarlierLook>{{{1, 2}, {3, 4, 5}, {5}}}));
}

TEST(Looks, KeepThePlanOfTheFirstLookAtASetOfSeeds) {
  // Seeds 1-2 were looked at; then 3 were planned, and the run was stopped before seed 3 could be compared.
  const TemporaryFolder root;
  const ExperimentFolder folder(root.path());
  record_look(folder, {1, 2}, finished({1, 2}));
  auto stopped = finished({1, 2, 3});
  stopped.back().state = TrialState::kInterrupted;
  EXPECT_TRUE(record_look(folder, {1, 2, 3}, stopped));
  const auto looks = earlier_looks(read_looks(folder), finished({1, 2, 3}));
  EXPECT_EQ(looks, (std::vector<EarlierLook>{{{1, 2}, {3}, {3}}}));
}

}  // namespace
}  // namespace kablate
